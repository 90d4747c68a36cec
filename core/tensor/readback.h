// Small results on their way from a device, which nobody waits for until they are needed.
#pragma once
#include <cstddef>

#include "core/stream/stream.h"
#include "core/tensor/tensor.h"

namespace krait {

/// One copy at a time from a device to the host, in the order of its compute stream and without
/// waiting. The host memory is pinned and made once.
class Readback {
 public:
  /// For tensors on `device` of at most `capacity` bytes.
  Readback(Device device, std::size_t capacity);
  ~Readback();
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;

  /// Copies `values` (contiguous) as they will be when all work submitted so far is done. What
  /// start() copied before must have been waited for.
  void start(const Tensor& values);
  /// Waits until they are here: a new tensor on the CPU.
  Tensor wait();

 private:
  Device device_;
  std::size_t capacity_;
  void* memory_;  // pinned; unused on the CPU
  Event done_;
  Tensor values_;  // what is on its way
};

namespace cuda {
void* allocate_pinned(Device device, std::size_t bytes);
void free_pinned(void* memory) noexcept;
/// From the device to pinned memory, in the order of the compute stream.
void copy_to_pinned(void* to, const void* from, std::size_t bytes, Device device);
}  // namespace cuda

}  // namespace krait
