// What a GPU says of itself.
#pragma once
#include <cstddef>
#include <string>

#include "core/device.h"

namespace krait::cuda {

/// As the driver reports it. A figure that it does not give is 0 ("unknown"); nothing is guessed
/// from the name.
struct DeviceProperties {
  std::string name;
  int compute_major = 0, compute_minor = 0;
  int multiprocessors = 0;
  std::size_t memory_bytes = 0, l2_bytes = 0;
  double clock_hz = 0;                          // highest clock of a multiprocessor
  int driver_version = 0, runtime_version = 0;  // 1000 * major + 10 * minor

  /// Fused multiply-adds in f32 a second, counted as two operations each; 0 when unknown.
  double peak_f32_flops() const;
};

DeviceProperties device_properties(Device device);

}  // namespace krait::cuda
