# CPack runs this between installation and packing: what Debian's policy asks for beyond the rules of installation.
cmake_minimum_required(VERSION 3.25)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, if it is set
get_filename_component(source ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
set(root ${CPACK_TEMPORARY_DIRECTORY}/Unspecified${CPACK_PACKAGING_INSTALL_PREFIX})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# static libraries have symbols but neither debug information nor link-time optimization, which is for one compiler only
file(GLOB_RECURSE archives ${root}/*.a)
foreach(archive ${archives})
  run(${CPACK_HWACCL_STRIP} --strip-debug --enable-deterministic-archives --remove-section=.comment
    --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_* --strip-symbol=__gnu_lto_slim --strip-symbol=__gnu_lto_v1 ${archive})
endforeach()

set(documents ${root}/share/doc/hwaccl)
file(MAKE_DIRECTORY ${documents})
# the licence in the machine-readable format: each line indented, empty lines as a dot
file(READ ${source}/LICENSE license)
string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" _ "${license}")
set(copyright ${CMAKE_MATCH_1})
string(REGEX REPLACE "^.*Copyright[^\n]*\n+" "" license "${license}")
string(REGEX REPLACE "\n+$" "" license "${license}")
string(REPLACE "\n\n" "\n.\n" license "${license}")
string(REPLACE "\n" "\n " license "${license}")
file(WRITE ${documents}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: hwaccl

Files: *
Copyright: ${copyright}
License: Expat
 ${license}
")
file(WRITE ${documents}/changelog "hwaccl (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Release ${CPACK_PACKAGE_VERSION}; CHANGELOG.md lists the changes.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
file(COPY ${source}/CHANGELOG.md DESTINATION ${documents})
file(GLOB manuals ${root}/share/man/man*/*)
run(gzip -9 -n ${documents}/changelog ${documents}/CHANGELOG.md ${manuals})

file(WRITE ${root}/share/lintian/overrides/hwaccl "# command and libraries are one package, for a machine that builds and replays
hwaccl: package-name-doesnt-match-sonames libhwaccl-*
hwaccl: link-to-shared-library-in-wrong-package *
# CPack writes them
hwaccl: maintscript-calls-ldconfig *
")

if("lttng" IN_LIST CPACK_COMPONENTS_ALL)
  set(documents ${CPACK_TEMPORARY_DIRECTORY}/lttng${CPACK_PACKAGING_INSTALL_PREFIX}/share/doc)
  file(MAKE_DIRECTORY ${documents})
  file(CREATE_LINK hwaccl ${documents}/hwaccl-lttng SYMBOLIC)
endif()
