#include "train/evaluate/context_buckets.h"

#include <vector>

#include <gtest/gtest.h>

#include "train/report/context_plot.h"

namespace krait {
namespace {

TEST(ContextBuckets, ArePowersOfTwoAndHoldTheMeansOfWhatFallsIn) {
  ContextBuckets buckets;
  for (const std::uint64_t context : {0, 1, 2, 3, 4, 7, 7, 64}) {
    buckets.add(context, static_cast<double>(context) + 0.5);
  }
  const std::vector<ContextBucket> found = buckets.buckets();
  ASSERT_EQ(found.size(), 8u);
  const std::uint64_t from[] = {0, 1, 2, 4, 8, 16, 32, 64}, count[] = {1, 1, 2, 3, 0, 0, 0, 1};
  const double mean[] = {0.5, 1.5, 3, 6.5, 0, 0, 0, 64.5};
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].from, from[i]);
    EXPECT_EQ(found[i].to, i == 0 ? 1 : 2 * from[i]);
    EXPECT_EQ(found[i].n_tokens, count[i]);
    EXPECT_EQ(found[i].mean_loss, mean[i]);
  }
  EXPECT_TRUE(ContextBuckets().buckets().empty());
}

TEST(ContextBuckets, TakeAnyContext) {
  ContextBuckets buckets;
  buckets.add(~std::uint64_t{0}, 2);
  const auto found = buckets.buckets();
  ASSERT_EQ(found.size(), 65u);
  EXPECT_EQ(found.back().from, std::uint64_t{1} << 63);
  EXPECT_EQ(found.back().n_tokens, 1u);
}

TEST(ContextBuckets, ThePlotHasAPointABucketAndGapsWhereThereIsNothing) {
  ContextBuckets buckets;
  for (const std::uint64_t context : {0, 1, 5, 2048, 3000000}) buckets.add(context, 1);
  const LinePlot plot = context_plot(buckets.buckets(), "t", "s");
  ASSERT_EQ(plot.series.size(), 1u);
  ASSERT_EQ(plot.x.ticks.size(), 23u);
  EXPECT_EQ(plot.x.ticks[0].second, "0");
  EXPECT_EQ(plot.x.ticks[12].second, "2k");
  EXPECT_EQ(plot.x.ticks[22].second, "2M");
  EXPECT_EQ(plot.series[0].y[3], 1);
  EXPECT_TRUE(std::isnan(plot.series[0].y[2]));
}

}  // namespace
}  // namespace krait
