#include "data/lra/listops/generator.h"

#include <array>
#include <set>

#include <gtest/gtest.h>

#include "core/system/parallel.h"

namespace krait {
namespace {

TEST(ListOpsGenerator, IsAFunctionOfTheSeedWhateverTheThreads) {
  const auto draw = [](std::uint64_t seed, int threads) {
    const int before = thread_count();
    set_thread_count(threads);
    ListOpsGenerator generator(seed);
    std::vector<ListOpsExpression> expressions(50);
    for (auto& expression : expressions) expression = generator.next();
    set_thread_count(before);
    return expressions;
  };
  EXPECT_EQ(draw(1, 1), draw(1, 3));
  EXPECT_NE(draw(1, 1), draw(2, 1));
}

TEST(ListOpsGenerator, KeepsToTheRulesAndDrawsEachExpressionOnce) {
  const ListOpsRules rules{.max_depth = 3, .max_arguments = 3, .min_length = 0, .max_length = 9};
  ListOpsGenerator generator(7, rules);
  std::set<ListOpsExpression> seen;
  for (int i = 0; i < 400; ++i) {
    const ListOpsExpression ids = generator.next();
    EXPECT_LT(ids.size(), 9u);
    EXPECT_LE(listops_height(ids), 2);
    EXPECT_TRUE(listops_value(ids));
    EXPECT_TRUE(seen.insert(ids).second);
  }
  EXPECT_LT(400u, generator.kept());  // digits alone came more than once
}

// The figures of an independent implementation (4000 expressions): 8.1 % of the candidates are
// kept, mean length 1048, the labels, and the accuracy of the oracles of 0 to 3 levels. Tolerances:
// four standard errors of both samples together, 4000 and 3000 expressions.
TEST(ListOpsGenerator, HasTheStatisticsOfTheBenchmark) {
  constexpr int kCount = 4000;
  ListOpsGenerator generator(0);
  std::array<int, 10> labels{};
  std::array<int, 4> right{};
  double length = 0;
  for (int i = 0; i < kCount; ++i) {
    const ListOpsExpression ids = generator.next();
    ASSERT_GT(ids.size(), 500u);
    ASSERT_LT(ids.size(), 2000u);
    EXPECT_EQ(listops_height(ids), 9);  // all reach the greatest depth
    length += static_cast<double>(ids.size()) / kCount;
    const std::int32_t value = listops_value(ids).value();
    ++labels.at(static_cast<std::size_t>(value));
    for (int levels = 0; levels < 4; ++levels) {
      if (listops_oracle(ids, levels) == value) ++right.at(static_cast<std::size_t>(levels));
    }
  }
  const double kept =
      static_cast<double>(generator.kept()) / static_cast<double>(generator.drawn());
  std::cout << "kept " << kept << ", mean length " << length << ", oracles";
  EXPECT_NEAR(kept, 0.081, 0.008);
  EXPECT_NEAR(length, 1048, 36);  // standard deviation of a length 400
  constexpr std::array kLabels{.169, .092, .069, .075, .096, .088, .080, .074, .088, .168};
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    EXPECT_NEAR(labels.at(i) / double{kCount}, kLabels.at(i), 0.035) << i;
  }
  constexpr std::array kOracles{.366, .589, .733, .828};
  for (std::size_t i = 0; i < kOracles.size(); ++i) {
    std::cout << " " << right.at(i) / double{kCount};
    EXPECT_NEAR(right.at(i) / double{kCount}, kOracles.at(i), 0.044) << i << " levels";
  }
  std::cout << "\n";
}

}  // namespace
}  // namespace krait
