#include "experiments/bench/inputs.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/random.h"
#include "core/system/parallel.h"
#include "kernels/copy.h"

namespace krait {
namespace {

/// Prime, so that no row length of a tensor divides it: rows are not alike.
constexpr std::int64_t kPeriod = 2097143;
constexpr std::int64_t kPlaces = 1 << 16;  // where copies begin
constexpr std::int64_t kGrain = 1 << 16;
constexpr std::int64_t kStep = 7919;

}  // namespace

RandomTensors::RandomTensors(Device device) : device_(device) {
  const Tensor block = Tensor::empty({kPeriod + kPlaces}, DType::F32);
  const std::span<float> values = block.span<float>();
  const RandomStream random{.seed = 1};
  parallel_for(block.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      values[static_cast<std::size_t>(i)] =
          static_cast<float>(2 * random.uniform(static_cast<std::uint64_t>(i)) - 1);
    }
  });
  block_ = block.to(device);
}

Tensor RandomTensors::make(const Shape& shape, DType dtype, double low, double high) {
  const Tensor t = Tensor::empty(shape, dtype, device_);
  const Tensor flat = t.reshape({-1});
  const std::int64_t place = turn_++ * kStep % kPlaces;
  const Tensor source = block_.slice(0, place, place + kPeriod);
  const std::int64_t repeats = t.numel() / kPeriod, whole = repeats * kPeriod;
  fill({.y = flat, .value = (low + high) / 2}, {});
  Copy scaled{.scale = (high - low) / 2, .accumulate = true};
  if (repeats > 0) {
    scaled.x = source.reshape({1, kPeriod}).expand({repeats, kPeriod});
    scaled.y = flat.slice(0, 0, whole).reshape({repeats, kPeriod});
    copy(scaled, {});
  }
  if (whole < t.numel()) {
    scaled.x = source.slice(0, 0, t.numel() - whole);
    scaled.y = flat.slice(0, whole, t.numel());
    copy(scaled, {});
  }
  return t;
}

Tensor RandomTensors::ids(const Shape& shape, std::int64_t limit) const {
  const Tensor t = Tensor::empty(shape, DType::I32);
  const RandomStream random{.seed = 2};
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i));
    t.data<std::int32_t>()[i] = static_cast<std::int32_t>(u * u * u * static_cast<double>(limit));
  }
  return t.to(device_);
}

}  // namespace krait
