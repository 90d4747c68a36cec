// The project's tolerance rule: the error of an f32 result against f64 is at most twice that of the
// plain loop in f32. The error is the mean over an array: a maximum is often decided by the largest
// element alone, and then the ratio of two single roundings is mere luck.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/kernels/selective_scan_oracle.h"

namespace krait {
namespace {

using namespace scan_test;

/// Mean magnitude of the difference, relative to that of `want`.
double mean_error(const std::vector<double>& got, const std::vector<double>& want) {
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += std::abs(got.at(i) - want[i]);
    scale += std::abs(want[i]);
  }
  return difference / scale;
}

void expect_error_of_the_loop(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c);
  const Arrays in = random_inputs(c);
  const Arrays exact = naive_scan<double>(c, in), loop = naive_scan<float>(c, in);
  const Arrays got = kernel_scan<float>(c, in);
  ASSERT_EQ(got.size(), exact.size());
  for (const auto& [name, values] : exact) {
    // a mean over a handful is luck again: there, four units in the last place
    const double few = values.size() < 16 ? 0x1p-21 : 0;
    EXPECT_LE(mean_error(got.at(name), values),
              std::max(few, 2 * mean_error(loop.at(name), values)))
        << name;
  }
}

class SelectiveScanAccuracy : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(SelectiveScanAccuracy, ErrorIsAtMostTwiceThatOfTheLoop) {
  for (const std::int64_t l : {1, 2, 7, 31, 32, 33, 127, 1023, 1024, 1025, 2049}) {
    // many channels for the short ones, so that the means are over something
    const std::int64_t d = std::clamp<std::int64_t>(400000 / (l * GetParam()), 16, 200);
    expect_error_of_the_loop(
        {.l = l, .d = d, .n = GetParam(), .initial = true, .dfinal = true, .seed = 5});
  }
}

INSTANTIATE_TEST_SUITE_P(States, SelectiveScanAccuracy, ::testing::Values(1, 4, 16, 64, 256));

TEST(SelectiveScanAccuracyAtLength, SixtyFiveThousandPositions) {
  expect_error_of_the_loop({.l = 65537, .d = 4, .n = 4, .initial = true, .dfinal = true});
}

}  // namespace
}  // namespace krait
