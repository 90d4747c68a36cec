#include "kernels/cuda/s4d/plan.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace krait::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr std::int64_t kWanted = std::int64_t{kMultiprocessors} * kS4dBlocks;

S4dPlan plan_of(const S4dShape& s) {
  return s4d_plan(s, kMultiprocessors);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

TEST(S4dPlan, TheLanesOfAChannelHoldAllItsModes) {
  for (std::int64_t modes = 1; modes <= 128; ++modes) {
    const S4dPlan p = plan_of({.modes = modes});
    EXPECT_EQ(p.lanes, s4d_lanes(modes));
    EXPECT_GE(p.lanes * kS4dModes, modes);
    EXPECT_EQ(p.block_channels() * p.lanes, kS4dThreads);
  }
  EXPECT_EQ(s4d_lanes(16), 4);
  EXPECT_EQ(s4d_lanes(17), 8);
  EXPECT_EQ(s4d_lanes(32), 8);
  EXPECT_EQ(s4d_lanes(33), 32);
}

TEST(S4dPlan, TilesCoverPositionsAndChannels) {
  EXPECT_EQ(plan_of({.length = 1}).tiles, 1);
  EXPECT_EQ(plan_of({.length = kS4dTile}).tiles, 1);
  EXPECT_EQ(plan_of({.length = kS4dTile + 1}).tiles, 2);
  EXPECT_EQ(plan_of({.channels = 32}).channel_tiles, 1);
  EXPECT_EQ(plan_of({.channels = 33}).channel_tiles, 2);
  EXPECT_EQ(plan_of({.channels = 33, .modes = 32}).channel_tiles, 3);
  EXPECT_EQ(plan_of({.channels = 33, .modes = 100}).channel_tiles, 9);
}

/// What is true of every plan, and when there is one segment.
void expect_sound(const S4dShape& s) {
  SCOPED_TRACE(::testing::Message() << "batch " << s.batch << ", length " << s.length
                                    << ", channels " << s.channels << ", modes " << s.modes);
  const S4dPlan p = plan_of(s);
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

TEST(S4dPlan, SegmentsCoverTheTilesAndNoneIsEmpty) {
  for (const std::int64_t batch : {1, 2, 3, 8, 198, 199}) {
    for (const std::int64_t channels : {1, 24, 768, 1536, 4100}) {
      for (const std::int64_t modes : {1, 16, 32, 128}) {
        for (std::int64_t length = 1; length < 4000; length += 61) {
          expect_sound({batch, length, channels, modes});
        }
        for (const std::int64_t length : {65537, 131072, 1048577}) {
          expect_sound({batch, length, channels, modes});
        }
      }
    }
  }
}

TEST(S4dPlan, OneLongSequenceFillsTheGpu) {
  for (const std::int64_t modes : {16, 32}) {
    const S4dPlan p = plan_of({.length = 131072, .channels = 1536, .modes = modes});
    EXPECT_GE(4 * p.channel_tiles * p.segments, 3 * kWanted);
    EXPECT_LE(p.channel_tiles * p.segments, kWanted);
  }
}

TEST(S4dPlan, ABatchThatFillsTheGpuIsNotCut) {
  for (const std::int64_t modes : {16, 32}) {
    EXPECT_EQ(plan_of({.batch = 8, .length = 2048, .channels = 1536, .modes = modes}).segments, 1);
  }
}

}  // namespace
}  // namespace krait::cuda
