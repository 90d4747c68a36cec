#include "kernels/cuda/diagonal_scan/plan.h"

#include <gtest/gtest.h>

namespace krait::cuda {
namespace {

constexpr int kProcessors = 132;

TEST(DiagonalScanPlan, AFullGpuWalksOnce) {
  const DiagonalScanPlan plan = diagonal_scan_plan(64, 1024, 256, kProcessors);
  EXPECT_EQ(plan.state_blocks, 8);
  EXPECT_EQ(plan.segments, 1);
  EXPECT_EQ(plan.segment_tiles, 16);
}

TEST(DiagonalScanPlan, AShortBatchIsCutInTime) {
  const DiagonalScanPlan plan = diagonal_scan_plan(1, 1 << 20, 256, kProcessors);
  EXPECT_GE(plan.segments * plan.state_blocks, 2 * kProcessors);
  EXPECT_LE(plan.segments, 512);
}

TEST(DiagonalScanPlan, SegmentsCoverTheSequenceAndNoneIsEmpty) {
  for (const std::int64_t batch : {1, 3, 40}) {
    for (const std::int64_t states : {1, 33, 512}) {
      for (std::int64_t length = 1; length < 40000; length = length * 7 / 4 + 1) {
        const DiagonalScanPlan plan = diagonal_scan_plan(batch, length, states, kProcessors);
        const std::int64_t segment = plan.segment_tiles * DiagonalScanTraits::kTile;
        EXPECT_GE(plan.segments * segment, length);
        EXPECT_LT((plan.segments - 1) * segment, length);
        EXPECT_GE(plan.state_blocks * DiagonalScanTraits::kLanes, states);
      }
    }
  }
}

}  // namespace
}  // namespace krait::cuda
