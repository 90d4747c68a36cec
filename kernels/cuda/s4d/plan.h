// How S4D is laid over a GPU: pure host arithmetic.
#pragma once
#include <cstdint>

namespace krait::cuda {

/// Positions per entry of chunk_states, and those that a block works on at a time.
inline constexpr int kS4dTile = 64;
/// Threads of a block: 4 warps.
inline constexpr int kS4dThreads = 128;
/// Modes whose states a thread keeps in registers.
inline constexpr int kS4dModes = 4;
/// Blocks that a multiprocessor has under way: 12 warps hide the latency of additions and shuffles,
/// and leave each thread of the backward the registers that it needs.
inline constexpr int kS4dBlocks = 3;

/// What decides the layout.
struct S4dShape {
  std::int64_t batch = 1, length = 1, channels = 1, modes = 1;
};

/// Threads that share a channel: 4, 8 or 32, for up to 16, 32 or 128 modes.
int s4d_lanes(std::int64_t modes);

/// One sequence is cut into `segments` of `segment_tiles` tiles where batch and channels alone do
/// not fill the GPU. All but one of the segments are walked twice, the first time for the state
/// that they pass on.
struct S4dPlan {
  int lanes = 4;
  std::int64_t tiles = 1;          // of kS4dTile positions
  std::int64_t channel_tiles = 1;  // of block_channels() channels
  std::int64_t segments = 1;
  std::int64_t segment_tiles = 1;  // the last segment may be shorter, never empty
  int block_channels() const { return kS4dThreads / lanes; }
};
S4dPlan s4d_plan(const S4dShape& shape, int multiprocessors);

}  // namespace krait::cuda
