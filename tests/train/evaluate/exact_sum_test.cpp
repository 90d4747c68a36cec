#include "train/evaluate/exact_sum.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"

namespace krait {
namespace {

std::vector<double> random_values(std::size_t n) {
  const RandomStream random{.seed = 3};
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    // f32 from 2^-30 to 2^10, of both signs: all their bits lie above 2^-64
    values[i] = std::ldexp(static_cast<double>(static_cast<float>(random.uniform(i))),
                           static_cast<int>(i % 30) - 20) *
                (i % 3 == 0 ? -1 : 1);
  }
  return values;
}

TEST(ExactSum, IsTheExactSumRoundedOnce) {
  ExactSum sum;
  for (const double v : {0x1p40, 0x1p-60, -0x1p40, 0x1p-60}) sum.add(v);
  EXPECT_EQ(sum.value(), 0x1p-59);  // a double would have lost both
  EXPECT_EQ(ExactSum().value(), 0.0);
}

TEST(ExactSum, DependsNeitherOnTheOrderNorOnTheGrouping) {
  std::vector<double> values = random_values(1000);
  ExactSum forward, backward, grouped;
  for (const double v : values) forward.add(v);
  std::ranges::reverse(values);
  for (const double v : values) backward.add(v);
  for (std::size_t first = 0; first < values.size(); first += 7) {
    ExactSum group;
    for (std::size_t i = first; i < std::min(first + 7, values.size()); ++i) group.add(values[i]);
    grouped.add(group);
  }
  EXPECT_EQ(forward.value(), backward.value());
  EXPECT_EQ(forward.value(), grouped.value());
  double plain = 0, reversed = 0;
  for (const double v : values) plain += v;
  std::ranges::reverse(values);
  for (const double v : values) reversed += v;
  EXPECT_NEAR(forward.value(), plain, 1e-9);
}

TEST(ExactSum, WhatIsNoNumberOrTooLargeIsNonFinite) {
  for (const double v : {std::numeric_limits<double>::quiet_NaN(),
                         std::numeric_limits<double>::infinity(), 0x1p62, -0x1p62}) {
    ExactSum sum;
    EXPECT_THROW(sum.add(v), Error) << v;
  }
  ExactSum sum;
  sum.add(0x1p61);
  sum.add(0x1p61);
  sum.add(0x1p61);
  try {
    sum.add(0x1p61);
    FAIL() << "the sum of 2^63 was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::NonFinite);
  }
}

}  // namespace
}  // namespace krait
