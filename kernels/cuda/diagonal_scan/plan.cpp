#include "kernels/cuda/diagonal_scan/plan.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace krait::cuda {
namespace {

constexpr std::int64_t kBlocksPerMultiprocessor = 3;  // with which loads and arithmetic overlap
constexpr std::int64_t kLeastTiles =
    4;  // of a segment: below, what is read twice outweighs the gain
constexpr std::int64_t kMostSegments = 512;  // each one reads what all before it pass on

}  // namespace

DiagonalScanPlan diagonal_scan_plan(std::int64_t batch, std::int64_t length, std::int64_t states,
                                    int multiprocessors) {
  const std::int64_t tiles = ceil_div(length, DiagonalScanTraits::kTile);
  DiagonalScanPlan plan{.state_blocks = ceil_div(states, DiagonalScanTraits::kLanes),
                        .segment_tiles = tiles};
  const std::int64_t blocks = batch * plan.state_blocks;
  const std::int64_t wanted = multiprocessors * kBlocksPerMultiprocessor;
  if (2 * blocks > wanted) return plan;  // a second walk would cost more than it brings
  const std::int64_t most = std::min(std::max<std::int64_t>(tiles / kLeastTiles, 1), kMostSegments);
  plan.segments = std::min(ceil_div(wanted, blocks), most);
  plan.segment_tiles = ceil_div(tiles, plan.segments);
  plan.segments = ceil_div(tiles, plan.segment_tiles);
  return plan;
}

}  // namespace krait::cuda
