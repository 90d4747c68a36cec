#include "kernels/cuda/causal_conv1d/plan.h"

#include <gtest/gtest.h>

namespace krait::cuda {
namespace {

constexpr int kMultiprocessors = 132, kResident = 4;

ConvPlan plan_of(const ConvExtent& e) {
  return conv_plan(e, kMultiprocessors, kResident);
}

TEST(CausalConv1dPlan, RunsCoverEveryPositionAndTilesEveryChannel) {
  for (const std::int64_t batch : {1, 3, 8}) {
    for (const std::int64_t length : {1, 3, 8, 9, 255, 257, 2048, 100000}) {
      for (const std::int64_t channels : {1, 31, 128, 1536, 4100}) {
        for (const int vector : {1, 4, 8}) {
          for (const int taps : {4, 8}) {
            const ConvPlan p = plan_of({batch, length, channels, vector, taps});
            EXPECT_GE(p.run, 2 * taps);
            EXPECT_EQ(p.run % taps, 0);
            EXPECT_GE(p.runs * p.run, length);
            EXPECT_LT((p.runs - 1) * p.run, length);
            EXPECT_GE(p.run_blocks * kConvWarps, batch * p.runs);
            EXPECT_LT((p.run_blocks - 1) * kConvWarps, batch * p.runs);
            EXPECT_GE(p.channel_tiles * 32 * vector, channels);
            EXPECT_LT((p.channel_tiles - 1) * 32 * vector, channels);
          }
        }
      }
    }
  }
}

TEST(CausalConv1dPlan, AModelsSizesFillTheGpuOnce) {
  for (const int vector : {4, 8}) {
    const ConvPlan p = plan_of({.batch = 8, .length = 2048, .channels = 1536, .vector = vector});
    EXPECT_LE(p.blocks(), kMultiprocessors * kResident);
    EXPECT_GE(p.blocks(), kMultiprocessors * kResident * 9 / 10);
  }
}

TEST(CausalConv1dPlan, LittleWorkIsSpreadAndMuchWorkReadsFewRowsTwice) {
  EXPECT_EQ(plan_of({.length = 100, .channels = 64, .vector = 8}).run, 8);
  EXPECT_GE(plan_of({.batch = 32, .length = 65536, .channels = 1536, .vector = 8}).run, 128);
}

}  // namespace
}  // namespace krait::cuda
