// IEEE half precision, which published weights are stored in. Nothing computes in it.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace krait {

/// Storage of a binary16.
struct Float16 {
  std::uint16_t bits = 0;
  Float16() = default;
  /// Rounds to nearest even; magnitudes of 65520 and above become infinite.
  explicit Float16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
    const std::uint32_t a = u & 0x7fffffffu;
    bits = static_cast<std::uint16_t>(sign | magnitude(a));
  }
  /// Exact.
  explicit operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1fu;
    const std::uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
      const float value = static_cast<float>(fraction) * 0x1p-24f;
      return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
    }
    const std::uint32_t wide = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
    return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
  }

 private:
  static std::uint32_t magnitude(std::uint32_t a) {
    constexpr std::uint32_t kInfinity = 0x7f800000, kOverflow = 0x477ff000,  // 65520
        kSmallestNormal = 0x38800000;                                        // 2^-14
    if (a > kInfinity) return 0x7e00u | ((a >> 13) & 0x3ffu);                // NaN stays NaN
    if (a >= kOverflow) return 0x7c00u;
    if (a < kSmallestNormal) {  // a whole number of 2^-24, in the rounding of the processor
      return static_cast<std::uint32_t>(std::lrint(std::bit_cast<float>(a) * 0x1p24f));
    }
    const std::uint32_t rounded = a + 0xfffu + ((a >> 13) & 1u);
    return (rounded - ((127u - 15u) << 23)) >> 13;
  }
};

}  // namespace krait
