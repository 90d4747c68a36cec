# The CUDA toolkit: sets KRAIT_HAVE_CUDA, and KRAIT_CUDA_RUNTIME and KRAIT_CUDA_BLAS to link.
set(KRAIT_HAVE_CUDA OFF)
set(KRAIT_CUDA_RUNTIME)
set(KRAIT_CUDA_BLAS)

# Why there is no CUDA: an error when it was asked for.
macro(krait_no_cuda reason)
  if(KRAIT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "KRAIT_CUDA=ON, but ${reason}")
  endif()
  message(STATUS "No CUDA backend: ${reason}")
  return()
endmacro()

if(KRAIT_CUDA STREQUAL "OFF")
  return()
endif()
if(KRAIT_SANITIZE)
  krait_no_cuda("KRAIT_SANITIZE watches the CPU code alone (for the GPU: make sanitize-gpu).")
endif()

# nvcc on PATH, from CUDACXX, or where the toolkit's installer puts it.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(KRAIT_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(KRAIT_NVCC)
  if(KRAIT_NVCC)
    set(ENV{CUDACXX} ${KRAIT_NVCC})
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  krait_no_cuda("no working nvcc was found. Put it on PATH or set CUDACXX.")
endif()

# Code for these, and PTX that the driver compiles for newer GPUs.
set(CMAKE_CUDA_ARCHITECTURES ${KRAIT_CUDA_ARCHITECTURES})
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
  krait_no_cuda("${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_VERSION}: C++20 needs 12.0.")
endif()
find_package(CUDAToolkit QUIET)
if(NOT TARGET CUDA::cudart_static OR NOT TARGET CUDA::cublasLt)
  krait_no_cuda("the toolkit of ${CMAKE_CUDA_COMPILER} lacks the runtime or cuBLASLt.")
endif()
set(KRAIT_HAVE_CUDA ON)
set(KRAIT_CUDA_RUNTIME CUDA::cudart_static)  # finds the driver when it runs: none is no error
set(KRAIT_CUDA_BLAS CUDA::cublasLt)
