# Compiler options of every target, and one library per folder.

function(krait_options target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow
      -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers>)
  # g++ 12 sees a false overlap in `"text" + std::string` (GCC bug 105651), g++ 13 false bounds and
  # uninitialised reads behind branches that it has vectorised.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:
                         -Wno-restrict -Wno-array-bounds -Wno-maybe-uninitialized>)
  # No result changes, but sqrt and selects vectorise: nobody reads errno or the exception flags.
  target_compile_options(${target} PRIVATE
                         $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno -fno-trapping-math>)
  # No fast maths: what may be approximate says so by its intrinsic. Lines for the profilers.
  target_compile_options(${target} PRIVATE
                         $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -lineinfo>)
  if(KRAIT_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
  if(KRAIT_NATIVE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
  endif()
  if(KRAIT_SANITIZE STREQUAL "address")
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined
                           -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  elseif(KRAIT_SANITIZE STREQUAL "thread")
    target_compile_options(${target} PRIVATE -fsanitize=thread -fno-omit-frame-pointer -g1)
    target_link_options(${target} PUBLIC -fsanitize=thread)
  elseif(KRAIT_SANITIZE STREQUAL "fuzzer")  # clang's libFuzzer, with the address sanitizer
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link,address,undefined
                           -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  elseif(KRAIT_SANITIZE)
    message(FATAL_ERROR "KRAIT_SANITIZE must be empty, address, thread or fuzzer, "
                        "got ${KRAIT_SANITIZE}.")
  endif()
endfunction()

# Without CUDA, takes what lies in FOLDER/cuda out of the list of sources that `list_name` names.
function(krait_drop_cuda list_name folder)
  if(NOT KRAIT_HAVE_CUDA)
    file(GLOB_RECURSE krait_cuda_sources CONFIGURE_DEPENDS ${folder}/cuda/*)
    set(krait_rest ${${list_name}})
    list(REMOVE_ITEM krait_rest ${krait_cuda_sources})
    set(${list_name} ${krait_rest} PARENT_SCOPE)
  endif()
endfunction()

# krait_library(NAME DEPENDS folders... EXTERNAL public libraries... PRIVATE libraries...)
function(krait_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;EXTERNAL;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${name}/*.cpp ${name}/*.cu)
  krait_drop_cuda(sources ${name})
  list(TRANSFORM ARG_DEPENDS PREPEND krait_)
  if(sources)
    add_library(krait_${name} STATIC ${sources})
    krait_options(krait_${name})
    set(scope PUBLIC)
    target_link_libraries(krait_${name} PRIVATE ${ARG_PRIVATE})
  else()
    add_library(krait_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(krait_${name} ${scope} ${PROJECT_SOURCE_DIR})
  target_compile_definitions(krait_${name} ${scope} KRAIT_CUDA=$<BOOL:${KRAIT_HAVE_CUDA}>)
  target_link_libraries(krait_${name} ${scope} ${ARG_DEPENDS} ${ARG_EXTERNAL})
endfunction()
