#include "kernels/cuda/causal_conv1d/plan.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace krait::cuda {
namespace {

ConvPlan plan_of_run(const ConvExtent& e, std::int64_t run) {
  ConvPlan plan{.run = run, .runs = ceil_div(e.length, run)};
  plan.run_blocks = ceil_div(e.batch * plan.runs, kConvWarps);
  plan.channel_tiles = ceil_div(e.channels, std::int64_t{32} * e.vector);
  return plan;
}

}  // namespace

ConvPlan conv_plan(const ConvExtent& e, int multiprocessors, int resident_blocks) {
  // Beyond 256 positions nothing is won: the rows at the ends are few, the partial sums too.
  constexpr std::int64_t kLongestRun = 256;
  const std::int64_t seats = std::int64_t{multiprocessors} * resident_blocks;
  ConvPlan best;
  std::int64_t least = 0;
  for (std::int64_t run = 2 * e.taps; run <= kLongestRun; run += e.taps) {
    const ConvPlan plan = plan_of_run(e, run);
    // Time in positions: of the last block to end when seats are taken in turn. The start of a
    // block costs about as much as the rows at its ends once more.
    const std::int64_t time = ceil_div(plan.blocks(), seats) * (run + 4 * e.taps);
    if (least == 0 || time <= least) {
      best = plan;
      least = time;
    }
    if (run >= e.length) break;
  }
  return best;
}

}  // namespace krait::cuda
