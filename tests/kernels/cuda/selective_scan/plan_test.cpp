#include "kernels/cuda/selective_scan/plan.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace krait::cuda {
namespace {

constexpr int kMultiprocessors = 132, kResident = 3;
constexpr std::int64_t kWanted = std::int64_t{kMultiprocessors} * kResident;

ScanPlan plan_of(const ScanShape& s) {
  return scan_plan(s, kMultiprocessors, kResident);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

TEST(SelectiveScanPlan, TheLanesOfAChannelHoldAllItsStates) {
  const auto expect = [](std::int64_t states, int padded, int channels) {
    const ScanLayout layout = scan_layout(states);
    EXPECT_EQ(layout.padded_states(), padded) << states;
    EXPECT_EQ(layout.block_channels(), channels) << states;
    EXPECT_EQ(layout.block_channels() * layout.lanes, kScanThreads) << states;
    EXPECT_EQ(plan_of({.states = states}).layout.padded_states(), padded) << states;
  };
  expect(1, 16, 32);
  expect(16, 16, 32);
  expect(17, 64, 32);
  expect(64, 64, 32);
  expect(65, 256, 8);
  expect(256, 256, 8);
}

TEST(SelectiveScanPlan, TilesCoverPositionsAndTheChannelsOfEachGroup) {
  EXPECT_EQ(plan_of({.length = 1}).tiles, 1);
  EXPECT_EQ(plan_of({.length = kScanTile}).tiles, 1);
  EXPECT_EQ(plan_of({.length = kScanTile + 1}).tiles, 2);
  EXPECT_EQ(plan_of({.channels = 32}).channel_tiles, 1);
  EXPECT_EQ(plan_of({.channels = 33}).channel_tiles, 2);
  EXPECT_EQ(plan_of({.channels = 33, .states = 200}).channel_tiles, 5);
  // no tile has channels of two groups
  EXPECT_EQ(plan_of({.channels = 36, .groups = 3}).channel_tiles, 3);
  EXPECT_EQ(plan_of({.channels = 3 * 33, .groups = 3}).channel_tiles, 6);
  EXPECT_EQ(plan_of({.channels = 36, .groups = 36}).channel_tiles, 36);
}

/// What is true of every plan, and when there is one segment.
void expect_sound(const ScanShape& s) {
  SCOPED_TRACE(::testing::Message() << "batch " << s.batch << ", length " << s.length
                                    << ", channels " << s.channels << ", states " << s.states);
  const ScanPlan p = plan_of(s);
  EXPECT_GE(p.segments * p.segment_tiles, p.tiles);
  EXPECT_LT((p.segments - 1) * p.segment_tiles, p.tiles);  // the last one is not empty
  const std::int64_t blocks = s.batch * p.channel_tiles;
  if (2 * blocks > kWanted || p.tiles < 8) {
    EXPECT_EQ(p.segments, 1);
    EXPECT_EQ(p.segment_tiles, p.tiles);
    return;
  }
  const std::int64_t most = std::min(kWanted / blocks, ceil_div(p.tiles, 4));
  EXPECT_GE(p.segments, 2);
  EXPECT_LE(p.segments, most);
  EXPECT_EQ(p.segment_tiles, ceil_div(p.tiles, most));
  EXPECT_LE(blocks * p.segments, kWanted);  // all of them run at a time
}

TEST(SelectiveScanPlan, SegmentsCoverTheTilesAndNoneIsEmpty) {
  for (const std::int64_t batch : {1, 2, 3, 8, 198, 199}) {
    for (std::int64_t length = 1; length < 3000; length += 29) {
      for (const std::int64_t channels : {1, 24, 768, 1536, 4100}) {
        for (const std::int64_t states : {1, 16, 64, 256}) {
          expect_sound({batch, length, channels, 1, states});
        }
      }
    }
    for (const std::int64_t length : {65537, 131072, 1048577}) {
      for (const std::int64_t channels : {1, 24, 768, 1536, 4100}) {
        expect_sound({.batch = batch, .length = length, .channels = channels, .states = 16});
      }
    }
  }
}

TEST(SelectiveScanPlan, ASequenceIsCutFromHalfAGpuDown) {
  // 198 blocks are half of 132 * 3
  EXPECT_EQ(plan_of({.batch = 198, .length = 1024, .channels = 32}).segments, 2);
  EXPECT_EQ(plan_of({.batch = 199, .length = 1024, .channels = 32}).segments, 1);
  // and from 8 tiles up
  EXPECT_EQ(plan_of({.length = 8 * kScanTile, .channels = 32}).segments, 2);
  EXPECT_EQ(plan_of({.length = 7 * kScanTile, .channels = 32}).segments, 1);
  EXPECT_EQ(plan_of({.length = 7 * kScanTile + 1, .channels = 32}).segments, 2);
}

TEST(SelectiveScanPlan, OneLongSequenceFillsTheGpu) {
  for (const std::int64_t states : {16, 64}) {
    const ScanPlan p = plan_of({.length = 131072, .channels = 1536, .states = states});
    EXPECT_GE(4 * p.channel_tiles * p.segments, 3 * kWanted);
    EXPECT_LE(p.channel_tiles * p.segments, kWanted);
  }
}

TEST(SelectiveScanPlan, ABatchThatFillsTheGpuIsNotCut) {
  const ScanPlan p = plan_of({.batch = 8, .length = 2048, .channels = 1536, .states = 16});
  EXPECT_EQ(p.segments, 1);
  EXPECT_EQ(p.segment_tiles, 64);
}

}  // namespace
}  // namespace krait::cuda
