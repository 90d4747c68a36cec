// How a diagonal scan is laid over a GPU: pure host arithmetic.
#pragma once
#include <cstdint>

namespace krait::cuda {

struct DiagonalScanTraits {
  static constexpr int kLanes =
      32;  // states of a block: neighbours in a row, so loads are whole lines
  static constexpr int kWarps = 8;  // of a block, which take turns in time
  static constexpr int kSteps = 8;  // positions that a warp holds in registers at a time
  static constexpr int kThreads = kLanes * kWarps;
  static constexpr int kTile = kWarps * kSteps;  // positions that a block works on at a time
};

/// One sequence is cut into `segments` of `segment_tiles` tiles where batch and states alone do not
/// fill the GPU. All but the last segment are then walked twice, the first time for the state that
/// they pass on.
struct DiagonalScanPlan {
  std::int64_t state_blocks = 1;  // of kLanes states
  std::int64_t segments = 1;
  std::int64_t segment_tiles = 1;  // the last segment may be shorter, never empty
};
DiagonalScanPlan diagonal_scan_plan(std::int64_t batch, std::int64_t length, std::int64_t states,
                                    int multiprocessors);

}  // namespace krait::cuda
