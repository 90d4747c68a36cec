// Where tensors lie and kernels run: the CPU, or one of the CUDA devices.
#pragma once
#include <cstdint>
#include <ostream>

namespace krait {

#ifndef KRAIT_CUDA
#  define KRAIT_CUDA 0
#endif
/// Whether this build has the CUDA backend. Code branches on it with `if constexpr`, never `#if`.
inline constexpr bool kCudaEnabled = KRAIT_CUDA;

enum class DeviceType : std::uint8_t { Cpu, Cuda };

struct Device {
  DeviceType type = DeviceType::Cpu;
  std::int8_t index = 0;
  constexpr bool is_cuda() const { return type == DeviceType::Cuda; }
  friend constexpr bool operator==(Device, Device) = default;
};

/// CUDA devices that this process can compute on: 0 without the backend, a driver or a GPU.
int cuda_device_count();
namespace cuda {
int device_count();
}  // namespace cuda

inline std::ostream& operator<<(std::ostream& out, Device d) {
  return d.is_cuda() ? out << "cuda:" << int{d.index} : out << "cpu";
}

}  // namespace krait
