// State that each device has one of, such as a library handle. Only for code behind core/ and
// kernels/ interfaces.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "core/cuda/check.h"
#include "core/device.h"

namespace krait::cuda {

/// The T of `device`, which is the current device when this returns. It is made of `arguments` at
/// the first call for that device, while the device is current, and never destroyed, because the
/// driver may be gone when static objects are. Every T has one object per device.
template <class T, class... Arguments>
T& per_device(Device device, const Arguments&... arguments) {
  constexpr std::size_t kDevices = 128;  // Device::index is an int8
  static std::mutex mutex;
  static auto& all = *new std::array<std::unique_ptr<T>, kDevices>();
  use_device(device.index);
  const std::lock_guard lock(mutex);
  auto& own = all.at(static_cast<std::size_t>(device.index));
  if (!own) own = std::make_unique<T>(arguments...);
  return *own;
}

}  // namespace krait::cuda
