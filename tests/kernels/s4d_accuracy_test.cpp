// The project's tolerance rule: the error of a result in f32 or bf16 against f64 is at most twice
// that of the plain loop in the same precision: all arithmetic in f32, and in bf16 the activations
// rounded when they are stored. The error is the mean over an array: a maximum is often decided by
// the largest element alone, and then the ratio of two single roundings is mere luck.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/kernels/s4d_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace s4d_test;
using namespace testing;

/// Mean magnitude of the difference, relative to that of `want`.
double mean_error(const std::vector<double>& got, const std::vector<double>& want) {
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += std::abs(got.at(i) - want[i]);
    scale += std::abs(want[i]);
  }
  return difference / scale;
}

void expect_error_of_the_loop(const Case& c, DType t) {
  SCOPED_TRACE(::testing::Message() << c << " " << t);
  const Arrays in = as_stored(random_inputs(c), kActivations, t);
  const Arrays exact = naive_s4d<double>(c, in);
  const Arrays loop = as_stored(naive_s4d<float>(c, in), kActivations, t);
  const Arrays got = kernel_s4d(t, c, in);
  ASSERT_EQ(got.size(), exact.size());
  for (const auto& [name, values] : exact) {
    // a mean over a handful is luck again: there, four units in the last place or one rounding
    const bool stored_in_bf16 = t == DType::BF16 && kActivations.contains(name);
    const double few = values.size() < 16 ? (stored_in_bf16 ? kBf16Rounding : 0x1p-21) : 0;
    EXPECT_LE(mean_error(got.at(name), values),
              std::max(few, 2 * mean_error(loop.at(name), values)))
        << name;
  }
}

void expect_error_of_the_loop(Case c) {
  for (const bool complex : {false, true}) {
    c.complex = complex;
    expect_error_of_the_loop(c, DType::F32);
    if (on_gpu()) expect_error_of_the_loop(c, DType::BF16);
  }
}

void expect_error_of_the_loop_with_modes(std::int64_t n) {
  for (const std::int64_t l : {1, 2, 7, 31, 32, 33, 127, 1023, 1024, 1025, 2049}) {
    // many channels for the short ones, so that the means are over something
    const std::int64_t d = std::clamp<std::int64_t>(400000 / (l * n), 16, 200);
    expect_error_of_the_loop({.l = l, .d = d, .n = n, .initial = true, .dfinal = true, .seed = 5});
  }
}

DEVICE_TEST(S4dAccuracy, ErrorIsAtMostTwiceThatOfTheLoopWith1Mode) {
  expect_error_of_the_loop_with_modes(1);
}
DEVICE_TEST(S4dAccuracy, ErrorIsAtMostTwiceThatOfTheLoopWith16Modes) {
  expect_error_of_the_loop_with_modes(16);
}
DEVICE_TEST(S4dAccuracy, ErrorIsAtMostTwiceThatOfTheLoopWith32Modes) {
  expect_error_of_the_loop_with_modes(32);
}
DEVICE_TEST(S4dAccuracy, ErrorIsAtMostTwiceThatOfTheLoopWith128Modes) {
  expect_error_of_the_loop_with_modes(128);
}

DEVICE_TEST(S4dAccuracy, SixtyFiveThousandPositions) {
  for (const std::int64_t n : {1, 16}) {
    expect_error_of_the_loop({.l = 65537, .d = 4, .n = n, .initial = true, .dfinal = true});
  }
}

/// Where the plain loop, which multiplies by the rounded exp(dt A), is off by 1e-5 and more.
DEVICE_TEST(S4dAccuracy, SlowModesKeepTheirDigitsInF32) {
  for (const double dt : {1e-3, 1e-4}) {
    const Case c{.l = 20000, .d = 16, .n = 4, .D = false, .z = false, .dt = dt};
    SCOPED_TRACE(::testing::Message() << c);
    const Arrays in = random_inputs(c), exact = naive_s4d<double>(c, in);
    const Arrays got = kernel_s4d(DType::F32, c, in), loop = naive_s4d<float>(c, in);
    for (const auto& [name, values] : exact) {
      // rounding errors of each step, which add up like a random walk over the memory: measured
      // 3e-6 at most
      EXPECT_LE(mean_error(got.at(name), values), 5e-6) << name;
    }
    for (const char* name : {"y", "du", "final_state"}) {
      EXPECT_GE(mean_error(loop.at(name), exact.at(name)),
                5 * mean_error(got.at(name), exact.at(name)))
          << name;
    }
  }
}

}  // namespace
}  // namespace krait
