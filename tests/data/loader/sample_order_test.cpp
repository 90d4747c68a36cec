#include "data/loader/sample_order.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(SampleOrder, OfOnePartIsAPermutationAnEpoch) {
  SampleOrder order({{.size = 1000}}, 7, true);
  std::vector<std::uint64_t> previous;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::uint64_t> now;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const SamplePlace place = order(1000 * epoch + i);
      ASSERT_EQ(place.part, 0u);
      now.push_back(place.index);
    }
    EXPECT_NE(now, previous);
    EXPECT_EQ(std::set<std::uint64_t>(now.begin(), now.end()).size(), 1000u);
    EXPECT_LT(*std::ranges::max_element(now), 1000u);
    previous = now;
  }
}

TEST(SampleOrder, SharesAreThoseOfTheWeightsAtEveryBlock) {
  const std::vector<double> weights{0.5, 7, 1e-3, 2.25};
  const double sum = 0.5 + 7 + 1e-3 + 2.25;
  std::vector<OrderPart> parts;
  for (const double weight : weights) parts.push_back({.size = 100, .weight = weight});
  SampleOrder order(parts, 1, true);
  std::vector<std::uint64_t> counted(4);
  for (std::uint64_t k = 0; k < 200 * SampleOrder::kBlock; ++k) {
    if (k % SampleOrder::kBlock == 0) {
      EXPECT_EQ(order.counts(k), counted);
      for (std::size_t i = 0; i < 4; ++i) {
        // A floor for each part before it.
        ASSERT_NEAR(static_cast<double>(counted[i]), static_cast<double>(k) * weights[i] / sum, 4);
      }
    }
    ++counted[order(k).part];
  }
  EXPECT_EQ(order.counts(200 * SampleOrder::kBlock), counted);
}

// Inside a block every place is as likely as the others to be of a part.
TEST(SampleOrder, PartsAreShuffledInsideABlock) {
  SampleOrder order({{.size = 10, .weight = 1}, {.size = 10, .weight = 3}}, 4, true);
  constexpr std::uint64_t kBlocks = 400;
  std::vector<int> hits(SampleOrder::kBlock);
  int changes = 0;
  for (std::uint64_t k = 0; k < kBlocks * SampleOrder::kBlock; ++k) {
    const bool first = order.turn(k).part == 0;
    hits[k % SampleOrder::kBlock] += first ? 1 : 0;
    changes += k > 0 && first != (order.turn(k - 1).part == 0) ? 1 : 0;
  }
  // A quarter of 400, standard deviation 8.7; of 1024 places the farthest is about 3.5 off.
  for (const int n : hits) EXPECT_NEAR(n, 100, 48);
  // Two neighbours differ with probability 2 * 1/4 * 3/4.
  EXPECT_NEAR(static_cast<double>(changes) / (kBlocks * SampleOrder::kBlock), 0.375, 0.005);
}

TEST(SampleOrder, ThePartsSamplesFollowEachOther) {
  SampleOrder order({{.size = 10, .weight = 0.3}, {.size = 10, .weight = 0.7}}, 9, true);
  std::vector<std::uint64_t> next(2);
  for (std::uint64_t k = 0; k < 10 * SampleOrder::kBlock + 5; ++k) {
    const SamplePlace turn = order.turn(k);
    ASSERT_EQ(turn.index, next[turn.part]++);
  }
}

TEST(SampleOrder, EveryPlaceCanBeAskedForByItself) {
  const std::vector<OrderPart> parts{{.size = 9, .weight = 2}, {.size = 1000, .weight = 1}};
  SampleOrder rising(parts, 2, true);
  for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{1} << 20,
                                    (std::uint64_t{1} << 40) - 3, std::uint64_t{1} << 52}) {
    for (std::uint64_t k = start; k < start + 3000; k += 7) {
      SampleOrder fresh(parts, 2, true);
      ASSERT_EQ(fresh(k), rising(k)) << k;
    }
  }
}

TEST(SampleOrder, DependsOnTheSeed) {
  const std::vector<OrderPart> parts{{.size = 50, .weight = 1}, {.size = 50, .weight = 1}};
  SampleOrder one(parts, 1, true), two(parts, 2, true);
  int equal = 0;
  for (std::uint64_t k = 0; k < 1000; ++k) equal += one.turn(k).part == two.turn(k).part ? 1 : 0;
  EXPECT_NEAR(equal, 500, 80);
}

TEST(SampleOrder, ImpossibleWeightsAreConfigurationErrors) {
  for (const double weight : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    expect_error(ErrorKind::BadConfig, {"must be above 0"}, [&] {
      SampleOrder({{.size = 1, .weight = 1}, {.size = 1, .weight = weight}}, 0, true);
    });
  }
  for (const double weight : {1e-12, 1e12}) {
    expect_error(ErrorKind::BadConfig, {"2^-33"}, [&] {
      SampleOrder({{.size = 1, .weight = 1}, {.size = 1, .weight = weight}}, 0, true);
    });
  }
}

}  // namespace
}  // namespace krait
