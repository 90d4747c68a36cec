#include "core/cuda/check.h"

namespace krait::cuda {

void check_status(cudaError_t status, const char* call, const char* where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // errors that are not sticky must not be found again by the next check
  const bool outside = status == cudaErrorMemoryAllocation ||
                       status == cudaErrorDevicesUnavailable || status == cudaErrorNoDevice ||
                       status == cudaErrorInsufficientDriver || status == cudaErrorECCUncorrectable;
  throw Error(outside ? ErrorKind::Io : ErrorKind::Contract,
              str("[cuda] ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ") in ",
                  call, "."),
              where);
}

void use_device(int index) {
  thread_local int current = -1;
  if (current == index) return;
  KRAIT_CUDA_CHECK(cudaSetDevice(index));
  current = index;
}

}  // namespace krait::cuda
