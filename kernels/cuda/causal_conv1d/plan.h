// How a causal convolution is laid over a GPU: pure host arithmetic.
#pragma once
#include <cstdint>

namespace krait::cuda {

inline constexpr int kConvWarps = 4;  // of a block: as many runs side by side
inline constexpr int kConvThreads = 32 * kConvWarps;

/// What decides the layout. `vector` channels are one thread's; `taps` rows are those of a step of
/// its loop, and the rows that a run reads before and after its own.
struct ConvExtent {
  std::int64_t batch = 1, length = 1, channels = 1;
  int vector = 1, taps = 4;
};

/// A warp walks runs of `run` positions of one batch entry, 32 * vector channels wide.
struct ConvPlan {
  std::int64_t run = 1;            // a multiple of taps
  std::int64_t runs = 1;           // of one batch entry
  std::int64_t run_blocks = 1;     // of kConvWarps runs, over all entries
  std::int64_t channel_tiles = 1;  // of 32 * vector channels
  std::int64_t blocks() const { return run_blocks * channel_tiles; }
};
/// `multiprocessors` of the GPU, and `resident_blocks` that each of them runs at a time.
ConvPlan conv_plan(const ConvExtent& extent, int multiprocessors, int resident_blocks);

}  // namespace krait::cuda
