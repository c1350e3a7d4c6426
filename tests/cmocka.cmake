# Programs of cmocka tests, each test of which is a ctest test: GROUP.PROGRAM.TEST, or GROUP.TEST with one program in the group.
# Their names are those that the program itself has, asked for when it is linked (fixtures/cmocka_names.c); ctest reads them at
# its start. A program that is not built is one test, which fails.

add_library(hwaccl-cmocka OBJECT ${CMAKE_CURRENT_SOURCE_DIR}/fixtures/cmocka_names.c)
target_link_libraries(hwaccl-cmocka PUBLIC hwaccl_options PkgConfig::CMOCKA)
set_target_properties(hwaccl-cmocka PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
target_link_options(hwaccl-cmocka INTERFACE -Wl,--wrap=_cmocka_run_group_tests)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(hwaccl-cmocka PRIVATE -fno-lto)
endif()

# hwaccl_test_program(name source...): a program of tests. It links the plain code of the fat objects, without LTO.
function(hwaccl_test_program name)
  add_executable(${name} ${ARGN})
  target_compile_definitions(${name} PRIVATE HWACCL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" HWACCL_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE hwaccl-replay PkgConfig::CMOCKA)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests INTERPROCEDURAL_OPTIMIZATION OFF)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${name} PRIVATE -fno-lto -O1)
    target_link_options(${name} PRIVATE -fno-lto)
  endif()
endfunction()

# hwaccl_cmocka_tests(program PREFIX prefix [PROPERTIES name value...] [FOR_ALL pattern]): its tests, named PREFIX.TEST
function(hwaccl_cmocka_tests program)
  cmake_parse_arguments(PARSE_ARGV 1 given "" "PREFIX" "PROPERTIES")
  set(list ${PROJECT_BINARY_DIR}/tests/${program}.tests)
  target_link_libraries(${program} PRIVATE hwaccl-cmocka)
  add_custom_command(TARGET ${program} POST_BUILD BYPRODUCTS ${list} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E env HWACCL_LIST_TESTS=${list} ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:${program}>)
  set(properties)
  foreach(property IN LISTS given_PROPERTIES)
    string(APPEND properties " \"${property}\"")
  endforeach()
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${program}_tests.cmake CONTENT "
set(names not_built)
if(EXISTS \"${list}\")
  file(STRINGS \"${list}\" names)
  list(REMOVE_DUPLICATES names)
endif()
foreach(name IN LISTS names)
  add_test(\"${given_PREFIX}.\${name}\" \"$<TARGET_FILE:${program}>\")
  set_tests_properties(\"${given_PREFIX}.\${name}\" PROPERTIES SKIP_REGULAR_EXPRESSION \"  SKIPPED \" ${properties}
    ENVIRONMENT \"HWACCL_TEST=\${name};${HWACCL_TEST_ENVIRONMENT}\")
endforeach()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${program}_tests.cmake)
endfunction()
