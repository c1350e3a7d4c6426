# Libraries for VMMs, static and shared: what their functions need of the tracer, the core and so on, in one object that
# shows nothing else. Unicorn is not in them; Capstone is, for disassembly, and so is SQLite.

# binutils, whatever the compiler's own are: LLVM's linker takes no archives here
find_program(HWACCL_LD ld REQUIRED)
find_program(HWACCL_OBJCOPY objcopy REQUIRED)

# hwaccl_vmm_library(NAME DESCRIPTION REQUIRES ARCHIVES target... LINKS target...): libNAME from those archives, which exports
# what libNAME.map in the current directory lists, and its pkg-config file; REQUIRES are for static linking
function(hwaccl_vmm_library name description requires)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "ARCHIVES;LINKS")
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/lib${name}.map)
  file(STRINGS ${map} lines REGEX "^\thwaccl_")
  string(REGEX MATCHALL "hwaccl_[a-z_]+" symbols "${lines}")
  set(undefined "")
  set(kept "")
  set(files "")
  foreach(symbol ${symbols})
    list(APPEND undefined -u ${symbol})
    list(APPEND kept "--keep-global-symbol=${symbol}")
  endforeach()
  foreach(archive ${arg_ARCHIVES})
    list(APPEND files $<TARGET_FILE:${archive}>)
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${map})

  # the linker by itself takes the plain code of fat objects; what is left for link-time optimization goes
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${HWACCL_LD} -r ${undefined} -o ${object}.all ${files}
    COMMAND ${HWACCL_OBJCOPY} ${kept} --wildcard --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
      --strip-symbol=__gnu_lto_v1 ${object}.all ${object}
    DEPENDS ${arg_ARCHIVES} ${map}
    COMMENT "Gathering lib${name}" VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)

  foreach(kind STATIC SHARED)
    string(TOLOWER ${name}-${kind} library)
    add_library(${library} ${kind} ${object})
    set_target_properties(${library} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C INTERPROCEDURAL_OPTIMIZATION OFF)
  endforeach()
  set_target_properties(${name}-shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 1 LINK_DEPENDS ${map})
  target_link_libraries(${name}-shared PRIVATE ${arg_LINKS} Threads::Threads)
  target_link_options(${name}-shared PRIVATE LINKER:--version-script=${map})
  if(HWACCL_SANITIZE)
    target_link_options(${name}-shared PRIVATE -fsanitize=${HWACCL_SANITIZE})
  else()
    target_link_options(${name}-shared PRIVATE LINKER:-z,defs LINKER:--as-needed)
  endif()
  install(TARGETS ${name}-static ${name}-shared ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

  # found from where the file lies, as hwaccl.pc
  file(RELATIVE_PATH HWACCL_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  file(CONFIGURE OUTPUT ${name}.pc @ONLY CONTENT [[
prefix=${pcfiledir}/@HWACCL_PC_PREFIX@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: @name@
Description: @description@
Version: @PROJECT_VERSION@
Requires.private: @requires@
Cflags: -I${includedir}
Libs: -L${libdir} -l@name@
Libs.private: -pthread
]])
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# include/hwaccl/trace.h
hwaccl_vmm_library(hwaccl-tracer "Records the VM exits of a VMM that embeds it" "capstone >= 4.0, sqlite3 >= 3.40"
  ARCHIVES hwaccl-tracer hwaccl-db-schema hwaccl-core LINKS PkgConfig::SQLITE PkgConfig::CAPSTONE)
