#include "kernels/cuda/selective_scan/plan.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "kernels/selective_scan.h"

namespace krait::cuda {

std::int64_t selective_scan_chunk() {
  return kScanTile;
}

ScanLayout scan_layout(std::int64_t states) {
  if (states <= 16) return {.states_per_thread = 4, .lanes = 4};
  if (states <= 64) return {.states_per_thread = 16, .lanes = 4};
  return {.states_per_thread = 16, .lanes = 16};
}

ScanPlan scan_plan(const ScanShape& s, int multiprocessors, int resident_blocks) {
  ScanPlan plan{.layout = scan_layout(s.states), .tiles = ceil_div(s.length, s.tile)};
  plan.channel_tiles = s.groups * ceil_div(s.channels / s.groups, plan.layout.block_channels());
  plan.segment_tiles = plan.tiles;
  const std::int64_t blocks = s.batch * plan.channel_tiles;
  const std::int64_t wanted = std::int64_t{multiprocessors} * resident_blocks;
  // A second walk can cost two thirds of the first: worth it from half a GPU down. Segments of a
  // few tiles would spend their time on filling pipelines.
  constexpr std::int64_t kSmallestSegment = 4;
  if (2 * blocks > wanted || plan.tiles < 2 * kSmallestSegment) return plan;
  const std::int64_t segments = std::min(wanted / blocks, ceil_div(plan.tiles, kSmallestSegment));
  plan.segment_tiles = ceil_div(plan.tiles, segments);
  plan.segments = ceil_div(plan.tiles, plan.segment_tiles);
  return plan;
}

}  // namespace krait::cuda
