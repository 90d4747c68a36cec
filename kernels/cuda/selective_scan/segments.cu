// Joins the segments of long sequences: one thread per (b, d, n) goes through the segments in
// order.
#include "kernels/cuda/selective_scan/scan.cuh"

namespace krait::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void join_segments_kernel(SegmentStates s) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= s.batch * s.states) return;
  const std::int64_t first = i / s.states * s.segments * s.states + i % s.states;
  const auto at = [&](std::int64_t k) {
    return first + (s.backward ? s.segments - 1 - k : k) * s.states;
  };
  float state = s.values[at(0)];
  for (std::int64_t k = 1; k < s.segments; ++k) {
    const float decay = s.decays[at(k)], own = s.values[at(k)];
    state = decay == 0 ? own : fmaf(decay, state, own);  // nothing crosses a reset, not even NaN
    s.values[at(k)] = state;
  }
}

}  // namespace

void join_segments(const SegmentStates& s, const ExecutionContext& ctx) {
  const auto blocks = static_cast<unsigned>(ceil_div(s.batch * s.states, kThreads));
  join_segments_kernel<<<blocks, kThreads, 0, stream_of(ctx)>>>(s);
  KRAIT_CUDA_CHECK_LAUNCH("join_segments_kernel");
}

}  // namespace krait::cuda
