# Finds what Krait is built on. Nothing is downloaded.
find_package(Threads REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)

# HDF5 (C API, serial) and yaml-cpp under one name each: their own target names differ by version.
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
add_library(krait_hdf5 INTERFACE)
target_include_directories(krait_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(krait_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
add_library(krait::hdf5 ALIAS krait_hdf5)

find_package(yaml-cpp 0.7 REQUIRED)
add_library(krait_yaml INTERFACE)
target_link_libraries(krait_yaml INTERFACE
                      $<IF:$<TARGET_EXISTS:yaml-cpp::yaml-cpp>,yaml-cpp::yaml-cpp,yaml-cpp>)
add_library(krait::yaml ALIAS krait_yaml)

# Compressed text. libzstd comes without a CMake package on Debian 12.
find_package(ZLIB REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED)
add_library(krait_zstd INTERFACE)
target_include_directories(krait_zstd SYSTEM INTERFACE ${ZSTD_INCLUDE_DIR})
target_link_libraries(krait_zstd INTERFACE ${ZSTD_LIBRARY})
add_library(krait::zstd ALIAS krait_zstd)

# Images of Pathfinder.
find_package(PNG REQUIRED)

# Optional parts: AUTO takes them when they are there, ON insists.
include(KraitCuda)

set(KRAIT_HAVE_MPI OFF)
if(NOT KRAIT_MPI STREQUAL "OFF")
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(KRAIT_HAVE_MPI ON)
  elseif(KRAIT_MPI STREQUAL "ON")
    message(FATAL_ERROR "KRAIT_MPI=ON, but no MPI was found (Debian: libopenmpi-dev).")
  endif()
endif()

set(KRAIT_HAVE_NCCL OFF)
if(NOT KRAIT_NCCL STREQUAL "OFF" AND KRAIT_HAVE_CUDA)
  find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR})
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(NCCL_LIBRARY AND NCCL_INCLUDE_DIR)
    set(KRAIT_HAVE_NCCL ON)
  endif()
endif()
if(KRAIT_NCCL STREQUAL "ON" AND NOT KRAIT_HAVE_NCCL)
  message(FATAL_ERROR "KRAIT_NCCL=ON, but NCCL or CUDA was not found.")
endif()
