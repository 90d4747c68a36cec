// Elementary functions that a loop of them vectorises: no branches, no calls. The f32 ones are the
// polynomials of Cephes (S. Moshier, netlib.org/cephes) within a few units in the last place; NaN
// gives NaN. The f64 ones, which only gradient checks use, are those of the C library.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace krait::cpu {

inline float exp(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float c = x > 89.0f ? 89.0f : x;       // beyond, exp is infinite or zero
  c = c < -104.0f ? -104.0f : c;
  float n = c * std::numbers::log2e_v<float> + kRound;
  const auto exponent = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(n) -
                                                  std::bit_cast<std::uint32_t>(kRound));
  n -= kRound;
  const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;  // ln 2 in two parts
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const std::int32_t half = exponent >> 1;  // 2^exponent in two factors: one may leave the range
  const auto power = [](std::int32_t e) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23);
  };
  return p * power(half) * power(exponent - half);
}
inline double exp(double x) {
  return std::exp(x);
}

inline float log(float x) {
  constexpr std::uint32_t kSqrtHalf = 0x3f3504f3u;
  const bool subnormal = x < std::numeric_limits<float>::min();
  const float scaled = subnormal ? x * 0x1p23f : x;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(scaled) - kSqrtHalf;
  const float e =
      static_cast<float>(static_cast<std::int32_t>(bits) >> 23) - (subnormal ? 23.0f : 0.0f);
  const float f = std::bit_cast<float>((bits & 0x007fffffu) + kSqrtHalf) - 1.0f;
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float low = p * f * z + e * -2.12194440e-4f - 0.5f * z;
  float y = (f + low) + e * 0.693359375f;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  y = x == kInfinity ? x : y;
  y = x == 0.0f ? -kInfinity : y;
  return x >= 0.0f ? y : std::numeric_limits<float>::quiet_NaN();
}
inline double log(double x) {
  return std::log(x);
}

/// log(1 + x) for x in [0, 1].
inline float log1p(float x) {
  const float u = 1.0f + x;  // log(u) / (u - 1) varies slowly, so the rounding of u cancels
  const float d = u - 1.0f;
  return d == 0.0f ? x : log(u) * (x / (d == 0.0f ? 1.0f : d));
}
inline double log1p(double x) {
  return std::log1p(x);
}

inline float tanh(float x) {
  const float a = std::abs(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float inner = p * z * x + x;
  const float outer = std::copysign(1.0f - 2.0f / (exp(2.0f * a) + 1.0f), x);
  return a < 0.625f ? inner : outer;
}
inline double tanh(double x) {
  return std::tanh(x);
}

/// The distribution function of the standard normal, also accurate in its lower tail.
inline float normal_cdf(float x) {
  // erfc(z) of Numerical Recipes (Press et al., section 6.2), a fit to 1.2e-7 relative
  const float z = std::abs(x) * 0.70710678f, t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  const float tail = 0.5f * t * exp(p - 0.5f * x * x);
  return x < 0.0f ? tail : 1.0f - tail;
}
inline double normal_cdf(double x) {
  return 0.5 * std::erfc(-x * (0.5 * std::numbers::sqrt2));
}

}  // namespace krait::cpu
