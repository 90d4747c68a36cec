#include "data/safetensors/float16.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace krait {
namespace {

float value_of(std::uint16_t bits) {
  Float16 h;
  h.bits = bits;
  return static_cast<float>(h);
}

/// (-1)^sign 2^(exponent - 15) (1 + fraction / 1024), or a multiple of 2^-24: IEEE 754.
double defined_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? fraction * 0x1p-24 : std::ldexp(1 + fraction / 1024.0, exponent - 15);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Float16, EveryFiniteValueIsExactAndComesBack) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if ((bits >> 10 & 31) == 31) continue;
    ASSERT_EQ(value_of(bits), defined_value(bits)) << i;
    ASSERT_EQ(std::signbit(value_of(bits)), (bits & 0x8000) != 0) << i;
    ASSERT_EQ(Float16(value_of(bits)).bits, bits) << i;
  }
}

TEST(Float16, RoundsToNearestEven) {
  for (int i = 0; i < 0x7bff; ++i) {  // between each value and the next larger one
    const auto low = static_cast<std::uint16_t>(i), high = static_cast<std::uint16_t>(i + 1);
    const float middle = (value_of(low) + value_of(high)) / 2;  // exact in f32
    ASSERT_EQ(Float16(middle).bits, i % 2 == 0 ? low : high) << i;
    ASSERT_EQ(Float16(std::nextafter(middle, 0.0f)).bits, low) << i;
    ASSERT_EQ(Float16(std::nextafter(middle, 1e9f)).bits, high) << i;
    ASSERT_EQ(Float16(-middle).bits, 0x8000 | (i % 2 == 0 ? low : high)) << i;
  }
}

TEST(Float16, WhatIsTooLargeIsInfiniteAndNaNStaysNaN) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Float16(65519.99f).bits, 0x7bff);
  EXPECT_EQ(Float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(Float16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(value_of(0x7c00), infinity);
  EXPECT_EQ(value_of(0xfc00), -infinity);
  EXPECT_TRUE(std::isnan(value_of(0x7c01)));
  EXPECT_TRUE(std::isnan(value_of(Float16(std::numeric_limits<float>::quiet_NaN()).bits)));
  EXPECT_EQ(Float16(0x1p-25f).bits, 0);  // half of the smallest: to even
  EXPECT_EQ(Float16(std::nextafter(0x1p-25f, 1.0f)).bits, 1);
}

}  // namespace
}  // namespace krait
