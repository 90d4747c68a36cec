#include "experiments/bench/timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/device_properties.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLeastCalls = 3, kWarmUpCalls = 3;
constexpr std::size_t kMostInFlight = 32;  // calls that are submitted before the host waits

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Bytes that are sure to push everything else out of the device's L2.
std::size_t cache_bytes(Device device) {
  std::size_t l2 = 0;
  if constexpr (kCudaEnabled) l2 = cuda::device_properties(device).l2_bytes;
  return std::max(4 * l2, std::size_t{256} << 20);
}

}  // namespace

CallTimer::CallTimer(Device device, double seconds) : device_(device), seconds_(seconds) {
  if (!device.is_cuda()) return;
  cache_ = Tensor::empty({static_cast<std::int64_t>(cache_bytes(device) / 4)}, DType::F32, device);
  for (std::size_t i = 0; i < kMostInFlight; ++i) {
    starts_.push_back(std::make_unique<Event>(device, true));
    ends_.push_back(std::make_unique<Event>(device, true));
  }
}

std::vector<double> CallTimer::time(const std::function<void(std::size_t)>& call) {
  std::vector<double> ms = device_.is_cuda() ? time_on_gpu(call) : time_on_host(call);
  std::sort(ms.begin(), ms.end());
  return ms;
}

std::vector<double> CallTimer::time_on_host(const std::function<void(std::size_t)>& call) const {
  std::size_t turn = 0;
  call(turn++);
  std::vector<double> ms;
  const auto start = Clock::now();
  while (ms.size() < kLeastCalls || seconds_since(start) < seconds_) {
    const auto begin = Clock::now();
    call(turn++);
    ms.push_back(1e3 * seconds_since(begin));
  }
  return ms;
}

void CallTimer::overwrite_cache() const {
  cache_.zero();
}

std::vector<double> CallTimer::time_on_gpu(const std::function<void(std::size_t)>& call) {
  const Stream stream = device_stream(device_);
  std::size_t turn = 0;
  while (turn < kWarmUpCalls) call(turn++);
  const auto submit = [&](std::size_t i) {
    overwrite_cache();
    starts_[i]->record(stream);
    call(turn++);
    ends_[i]->record(stream);
  };
  submit(0);
  synchronize(device_);
  // Short calls are submitted many at a time, long ones so that the time asked for is kept.
  const double guess = std::max(1e-3, ends_[0]->milliseconds_since(*starts_[0]));
  const double fitting = std::clamp(seconds_ * 1e3 / 4 / guess, 1.0, double{kMostInFlight});
  const auto in_flight = static_cast<std::size_t>(fitting);
  std::vector<double> ms;
  const auto start = Clock::now();
  while (ms.size() < kLeastCalls || seconds_since(start) < seconds_) {
    overwrite_cache();  // while the GPU does this, the host gets ahead: launches cost no time then
    for (std::size_t i = 0; i < in_flight; ++i) submit(i);
    ends_[in_flight - 1]->synchronize();
    for (std::size_t i = 0; i < in_flight; ++i) {
      ms.push_back(ends_[i]->milliseconds_since(*starts_[i]));
    }
  }
  return ms;
}

double quantile(const std::vector<double>& rising, double fraction) {
  const double place = fraction * static_cast<double>(rising.size() - 1);
  return rising[static_cast<std::size_t>(std::lround(place))];
}

}  // namespace krait
