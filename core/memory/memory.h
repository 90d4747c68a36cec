// Bytes in the memory of a device.
#pragma once
#include <cstddef>

#include "core/device.h"

namespace krait {

struct MemoryOrigin {
  const void* from = nullptr;
  Device device;
};
struct MemoryTarget {
  void* to = nullptr;
  Device device;
};

/// Copies `bytes` bytes. From the host to a device, and within a device, in the order of its
/// compute stream and without waiting: the source may be changed or freed as soon as the call
/// returns (a copy of it is staged in pinned memory). From one GPU to another in the order of both
/// compute streams. To the host it waits until the bytes are there.
void copy_memory(const MemoryTarget& target, const MemoryOrigin& source, std::size_t bytes);

/// Sets `bytes` bytes to zero, on a GPU in the order of its compute stream.
void zero_memory(const MemoryTarget& target, std::size_t bytes);

namespace cuda {
void copy_memory(const MemoryTarget& target, const MemoryOrigin& source, std::size_t bytes);
void zero_memory(const MemoryTarget& target, std::size_t bytes);
}  // namespace cuda

}  // namespace krait
