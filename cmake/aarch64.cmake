# CMake toolchain: builds on x86-64 for aarch64, and runs the tests under qemu. It needs Debian's
# g++-aarch64-linux-gnu and qemu-user-static, and in KRAIT_SYSROOT the arm64 packages that
# cmake/install_dependencies.sh lists, unpacked.
#   cmake -B build-aarch64 --toolchain cmake/aarch64.cmake -DKRAIT_SYSROOT=DIR -DKRAIT_NATIVE=OFF
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KRAIT_SYSROOT)
set(CMAKE_SYSROOT ${KRAIT_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${KRAIT_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
