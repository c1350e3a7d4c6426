# Debian packages by CPack; scripts/package makes them. hwaccl has what the rules of installation name: the command, its manual
# page and completion, libraries, headers and pkg-config files. hwaccl-lttng has what needs the libraries of LTTng and Babeltrace,
# so that a machine that only replays does without them.
set(HWACCL_PACKAGE_MAINTAINER "hwaccl authors <hwaccl@example.org>" CACHE STRING "Maintainer that the Debian packages name")

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_NAME hwaccl)
set(CPACK_PACKAGE_CONTACT ${HWACCL_PACKAGE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/stage.cmake)
set(CPACK_HWACCL_STRIP ${CMAKE_STRIP})

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL Unspecified)
if(HWACCL_HAS_LTTNG OR HWACCL_HAS_BABELTRACE)
  list(APPEND CPACK_COMPONENTS_ALL lttng)
endif()

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/triggers)

set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME hwaccl)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SECTION devel)
# Unicorn is loaded when a guest runs on the soft accelerator; the development packages are those that hwaccl.pc names
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_RECOMMENDS "libunicorn2, seabios, sqlite3")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SUGGESTS
  "hwaccl-lttng, libcapstone-dev, libmd-dev, libsqlite3-dev, libzstd-dev, pkg-config")
set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION "tracing and replay of VM exits
Records every VM exit of a virtual machine, with all that the handling of
the exit read, in a SQLite database, and replays the handling of each exit
from it: without the guest, and without virtualization.

This package contains the command hwaccl, and libraries and headers for
virtual machine monitors that record and replay their own exits.")

set(CPACK_DEBIAN_LTTNG_PACKAGE_NAME hwaccl-lttng)
set(CPACK_DEBIAN_LTTNG_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_LTTNG_PACKAGE_DEPENDS "hwaccl (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_LTTNG_PACKAGE_ENHANCES hwaccl)
set(CPACK_DEBIAN_LTTNG_DESCRIPTION "tracing and replay of VM exits: traces of LTTng
Records every VM exit of a virtual machine in a SQLite database, and
replays the handling of each exit from it.

This package adds what 'hwaccl record --lttng' and 'hwaccl import ctf'
need: the events for LTTng, and the reader of traces.")

include(CPack)
