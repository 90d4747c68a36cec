#include "kernels/cuda/s4d/plan.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "kernels/s4d.h"

namespace krait::cuda {

std::int64_t s4d_chunk() {
  return kS4dTile;
}

int s4d_lanes(std::int64_t modes) {
  return modes <= 4 * kS4dModes ? 4 : modes <= 8 * kS4dModes ? 8 : 32;
}

S4dPlan s4d_plan(const S4dShape& s, int multiprocessors) {
  S4dPlan plan{.lanes = s4d_lanes(s.modes), .tiles = ceil_div(s.length, kS4dTile)};
  plan.channel_tiles = ceil_div(s.channels, plan.block_channels());
  plan.segment_tiles = plan.tiles;
  const std::int64_t blocks = s.batch * plan.channel_tiles;
  const std::int64_t wanted = std::int64_t{multiprocessors} * kS4dBlocks;
  // A first walk costs about half of a whole one: worth it from half a GPU down. Segments of a few
  // tiles would spend their time on filling pipelines.
  constexpr std::int64_t kSmallestSegment = 4;
  if (2 * blocks > wanted || plan.tiles < 2 * kSmallestSegment) return plan;
  const std::int64_t segments = std::min(wanted / blocks, ceil_div(plan.tiles, kSmallestSegment));
  plan.segment_tiles = ceil_div(plan.tiles, segments);
  plan.segments = ceil_div(plan.tiles, plan.segment_tiles);
  return plan;
}

}  // namespace krait::cuda
