# Tells train/run/build_info.cpp what this build is. Only that file is compiled again when it changes.
set(source unknown)
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --tags
                  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE description
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
  if(result EQUAL 0)
    set(source ${description})
  endif()
  # A new commit configures again.
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD
                  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE log
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(log "${log}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
  if(EXISTS "${log}" AND NOT IS_DIRECTORY "${log}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${log}")
  endif()
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
set(flags "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}")
if(KRAIT_NATIVE)
  string(APPEND flags " -march=native")
endif()
if(KRAIT_SANITIZE)
  string(APPEND flags " -fsanitize=${KRAIT_SANITIZE}")
endif()
string(STRIP "${flags}" flags)

set_property(SOURCE train/run/build_info.cpp APPEND PROPERTY COMPILE_DEFINITIONS
             KRAIT_VERSION="${PROJECT_VERSION}" KRAIT_SOURCE="${source}"
             KRAIT_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
             KRAIT_FLAGS="${flags}" KRAIT_BUILD_TYPE="${CMAKE_BUILD_TYPE}"
             KRAIT_SYSTEM="${CMAKE_SYSTEM_NAME} ${CMAKE_SYSTEM_PROCESSOR}"
             KRAIT_MPI=$<BOOL:${KRAIT_HAVE_MPI}> KRAIT_NCCL=$<BOOL:${KRAIT_HAVE_NCCL}>)
