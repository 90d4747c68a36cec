// Results on their way from a device, which nobody waits for until they are needed.
#pragma once
#include <cstddef>

#include "core/stream/stream.h"
#include "core/tensor/tensor.h"

namespace krait {

/// A copy on the CPU of `values`, which must be contiguous. From a GPU it goes into pinned memory
/// in the order of `stream`, without waiting: the values are there once the work submitted to the
/// stream so far is done, and the copy and `values` must not go before. On the CPU they are there
/// at once.
Tensor copy_to_host(const Tensor& values, const Stream& stream);

/// One copy at a time of a small result, from a device to the host, in the order of its compute
/// stream and without waiting. The host memory is pinned and made once.
class Readback {
 public:
  /// For tensors on `device` of at most `capacity` bytes.
  Readback(Device device, std::size_t capacity);
  ~Readback();
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;

  /// Starts to copy `values` (contiguous) as they will be when all work submitted so far is done.
  /// The copy before must have been waited for.
  void start(const Tensor& values);
  /// Waits for the copy and returns it as a new tensor on the CPU.
  Tensor wait();

 private:
  Device device_;
  std::size_t capacity_;
  Tensor memory_;  // pinned; undefined on the CPU
  Event done_;
  Tensor values_;  // the source of the copy in flight
};

namespace cuda {
/// From a device to pinned memory, in the order of the stream.
void copy_to_pinned(void* to, const void* from, std::size_t bytes, const Stream& stream);
}  // namespace cuda

}  // namespace krait
