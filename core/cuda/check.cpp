#include "core/cuda/check.h"

namespace krait::cuda {

void check_status(cudaError_t status, const char* call, const char* where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // errors that are not sticky must not be found again by the next check
  const bool no_code = status == cudaErrorNoKernelImageForDevice;
  const bool outside = no_code || status == cudaErrorMemoryAllocation ||
                       status == cudaErrorDevicesUnavailable || status == cudaErrorNoDevice ||
                       status == cudaErrorInsufficientDriver || status == cudaErrorECCUncorrectable;
  const char* hint = no_code ? " This build has no code for this GPU: use the CPU, or build "
                               "with KRAIT_CONFIGURE=-DKRAIT_CUDA_ARCHITECTURES=native."
                             : "";
  throw Error(outside ? ErrorKind::Io : ErrorKind::Contract,
              str("[cuda] ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ") in ",
                  call, ".", hint),
              where);
}

void use_device(int index) {
  thread_local int current = -1;
  if (current == index) return;
  KRAIT_CUDA_CHECK(cudaSetDevice(index));
  current = index;
}

}  // namespace krait::cuda
