// How a selective scan is laid over a GPU: pure host arithmetic.
#pragma once
#include <cstdint>

namespace krait::cuda {

/// Positions per entry of chunk_states; a block works on this many at a time, or a multiple.
inline constexpr int kScanTile = 32;
/// Threads of a block: 4 warps.
inline constexpr int kScanThreads = 128;

/// What decides the layout.
struct ScanShape {
  std::int64_t batch = 1, length = 1, channels = 1, groups = 1, states = 1;
  int tile = kScanTile;  // positions of a tile
};

/// States that a thread keeps in registers and lanes that share a channel. A block of 4 warps holds
/// 128 / lanes channels of one group.
struct ScanLayout {
  int states_per_thread = 4, lanes = 4;
  int padded_states() const { return states_per_thread * lanes; }
  int block_channels() const { return kScanThreads / lanes; }
};
ScanLayout scan_layout(std::int64_t states);

/// One sequence is cut into `segments` of `segment_tiles` tiles where batch and channels alone do
/// not fill the GPU. All segments except one are walked twice, the first time to find the state
/// that they pass on. Only positions from which the decay to the end is not yet zero contribute to
/// it.
struct ScanPlan {
  ScanLayout layout;
  std::int64_t tiles = 1;          // of `tile` positions
  std::int64_t channel_tiles = 1;  // of block_channels() channels, groups times tiles of one group
  std::int64_t segments = 1;
  std::int64_t segment_tiles = 1;  // the last segment may be shorter, never empty
};
/// `multiprocessors` of the GPU, and `resident_blocks` that each of them runs at a time.
ScanPlan scan_plan(const ScanShape& shape, int multiprocessors, int resident_blocks);

}  // namespace krait::cuda
