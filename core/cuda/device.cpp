#include <cuda_runtime_api.h>

#include "core/cuda/check.h"
#include "core/device_properties.h"

namespace krait::cuda {

int device_count() {
  static const int count = [] {
    int found = 0;
    const cudaError_t status = cudaGetDeviceCount(&found);
    if (status == cudaSuccess) return found;
    cudaGetLastError();  // no driver or no GPU: not an error of ours
    return 0;
  }();
  return count;
}

DeviceProperties device_properties(Device device) {
  cudaDeviceProp p{};
  KRAIT_CUDA_CHECK(cudaGetDeviceProperties(&p, device.index));
  DeviceProperties out{.name = p.name,
                       .compute_major = p.major,
                       .compute_minor = p.minor,
                       .multiprocessors = p.multiProcessorCount,
                       .memory_bytes = p.totalGlobalMem,
                       .l2_bytes = static_cast<std::size_t>(p.l2CacheSize)};
  const auto attribute = [&](cudaDeviceAttr which) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, which, device.index) == cudaSuccess) return value;
    cudaGetLastError();
    return 0;
  };
  out.clock_hz = 1e3 * attribute(cudaDevAttrClockRate);
  KRAIT_CUDA_CHECK(cudaDriverGetVersion(&out.driver_version));
  KRAIT_CUDA_CHECK(cudaRuntimeGetVersion(&out.runtime_version));
  return out;
}

double DeviceProperties::peak_f32_flops() const {
  // f32 lanes of a multiprocessor, CUDA programming guide, "arithmetic instructions"
  const int lanes = compute_major == 8 && compute_minor == 0 ? 64 : compute_major >= 8 ? 128 : 0;
  return 2.0 * lanes * multiprocessors * clock_hz;
}

}  // namespace krait::cuda
