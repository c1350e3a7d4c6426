# libhwaccl-tracer, static and shared, for VMMs that embed the tracer (include/hwaccl/trace.h): what those functions need
# of the tracer and the core, in one object that shows nothing else. Unicorn is not in it; Capstone is, for the writer
# thread's disassembly, and so is SQLite.
file(STRINGS libhwaccl-tracer.map lines REGEX "^\thwaccl_")
string(REGEX MATCHALL "hwaccl_[a-z_]+" HWACCL_TRACE_SYMBOLS "${lines}")
set(undefined "")
set(kept "")
foreach(symbol ${HWACCL_TRACE_SYMBOLS})
  list(APPEND undefined -u ${symbol})
  list(APPEND kept "--keep-global-symbol=${symbol}")
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS libhwaccl-tracer.map)

# binutils, whatever the compiler's own are: LLVM's linker takes no archives here
find_program(HWACCL_LD ld REQUIRED)
find_program(HWACCL_OBJCOPY objcopy REQUIRED)
# the linker by itself takes the plain code of fat objects; what is left for link-time optimization goes
set(object ${CMAKE_CURRENT_BINARY_DIR}/hwaccl-tracer.o)
add_custom_command(OUTPUT ${object}
  COMMAND ${HWACCL_LD} -r ${undefined} -o ${object}.all $<TARGET_FILE:hwaccl-tracer>
    $<TARGET_FILE:hwaccl-db-schema> $<TARGET_FILE:hwaccl-core>
  COMMAND ${HWACCL_OBJCOPY} ${kept} --wildcard --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
    --strip-symbol=__gnu_lto_v1 ${object}.all ${object}
  DEPENDS hwaccl-tracer hwaccl-db-schema hwaccl-core ${CMAKE_CURRENT_SOURCE_DIR}/libhwaccl-tracer.map
  COMMENT "Gathering libhwaccl-tracer" VERBATIM)
set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)

foreach(kind STATIC SHARED)
  string(TOLOWER hwaccl-tracer-${kind} library)
  add_library(${library} ${kind} ${object})
  set_target_properties(${library} PROPERTIES OUTPUT_NAME hwaccl-tracer LINKER_LANGUAGE C INTERPROCEDURAL_OPTIMIZATION OFF)
endforeach()
set_target_properties(hwaccl-tracer-shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 1
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/libhwaccl-tracer.map)
target_link_libraries(hwaccl-tracer-shared PRIVATE PkgConfig::SQLITE PkgConfig::CAPSTONE Threads::Threads)
target_link_options(hwaccl-tracer-shared PRIVATE LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/libhwaccl-tracer.map)
if(HWACCL_SANITIZE)
  target_link_options(hwaccl-tracer-shared PRIVATE -fsanitize=${HWACCL_SANITIZE})
else()
  target_link_options(hwaccl-tracer-shared PRIVATE LINKER:-z,defs LINKER:--as-needed)
endif()
install(TARGETS hwaccl-tracer-static hwaccl-tracer-shared ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# found from where the file lies, as hwaccl.pc
file(RELATIVE_PATH HWACCL_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
file(CONFIGURE OUTPUT hwaccl-tracer.pc @ONLY CONTENT [[
prefix=${pcfiledir}/@HWACCL_PC_PREFIX@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: hwaccl-tracer
Description: Records the VM exits of a VMM that embeds it
Version: @PROJECT_VERSION@
Requires.private: capstone >= 4.0, sqlite3 >= 3.40
Cflags: -I${includedir}
Libs: -L${libdir} -lhwaccl-tracer
Libs.private: -pthread
]])
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hwaccl-tracer.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
