// The time of single calls on a device.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/stream/stream.h"
#include "core/tensor/tensor.h"

namespace krait {

/// On the CPU by the clock. On a GPU each call lies between two events of the compute stream, and
/// before the first of them a buffer larger than the L2 cache is written: the call finds none of
/// its data in the cache, and has to write back as much of other data as it leaves there.
class CallTimer {
 public:
  /// Measures for at least this long, and at least a few calls.
  CallTimer(Device device, double seconds);

  /// The milliseconds of each call, sorted. `call` submits its work to the compute stream; `turn`
  /// counts the calls, so that it can take turns with its buffers. The first ones are not counted.
  std::vector<double> time(const std::function<void(std::size_t turn)>& call);

 private:
  std::vector<double> time_on_host(const std::function<void(std::size_t)>& call) const;
  std::vector<double> time_on_gpu(const std::function<void(std::size_t)>& call);
  void overwrite_cache() const;

  Device device_;
  double seconds_;
  Tensor cache_;  // more than fits into the L2
  std::vector<std::unique_ptr<Event>> starts_, ends_;
};

/// The value below which `fraction` of `rising` lie.
double quantile(const std::vector<double>& rising, double fraction);

}  // namespace krait
