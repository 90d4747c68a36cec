// Sums in a fixed order that can be vectorised, so that they are fast and always the same.
#pragma once
#include <cstdint>

namespace krait::cpu {

/// sum of term(i) for i in [0, count), carried in f64: element i goes to lane i % 16, and the lanes
/// are added in pairs. The bits depend on nothing but the terms.
template <class F>
double lane_sum(std::int64_t count, F&& term) {
  constexpr int kLanes = 16;  // four AVX2 registers hide the latency of an addition
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(term(i + lane));
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += static_cast<double>(term(i));
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

/// The largest of x[0, count), count >= 1; NaN if there is one.
template <class T>
T lane_max(const T* x, std::int64_t count) {
  constexpr int kLanes = 16;
  const auto larger = [](T a, T b) { return a > b || a != a ? a : b; };
  T lanes[kLanes];
  for (T& lane : lanes) lane = x[0];
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = larger(lanes[lane], x[i + lane]);
  }
  for (; i < count; ++i) lanes[0] = larger(lanes[0], x[i]);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] = larger(lanes[lane], lanes[lane + half]);
  }
  return lanes[0];
}

}  // namespace krait::cpu
