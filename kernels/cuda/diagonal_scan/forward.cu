// Forward of the diagonal scan. Map and segments: scan.cuh. Per state and position it reads x (2
// elements) and a selected delta (1), writes h (2); a fixed delta needs no transcendental function
// in the loop, a selected one an expm1 (and a sine and cosine when the phase scales). Bound by
// memory.
#include <algorithm>

#include "core/stream/scratch.h"
#include "kernels/cuda/diagonal_scan/scan.cuh"

namespace krait::cuda {
namespace {

using Traits = DiagonalScanTraits;

template <class T>
struct ForwardTask {
  DiagonalScanTask<T> in;
  float* final_state;   // may be null
  DiagonalPair* pairs;  // (b, segments, states); null with one segment
};

/// One segment of 32 states.
template <class T, bool kSelected>
class ForwardBlock {
 public:
  __device__ ForwardBlock(const ForwardTask<T>& a, DiagonalShared& shared)
      : a_(a),
        shared_(shared),
        lane_(a.in),
        warp_(threadIdx.x / Traits::kLanes),
        column_(threadIdx.x % Traits::kLanes),
        begin_(std::int64_t{blockIdx.z} * a.in.segment_length),
        end_(min(begin_ + a.in.segment_length, a.in.length)) {}

  /// The pair of the whole segment.
  __device__ void summarise() {
    DiagonalPair pair;
    int turn_of = 0;
    for (std::int64_t tile = begin_; tile < end_; tile += Traits::kTile, turn_of ^= 1) {
      scan_own(tile);
      exchange(turn_of);
      for (int w = 0; w < Traits::kWarps; ++w) {
        const Complex less_one = shared_.less_one[turn_of][w][column_];
        pair.value = turn(less_one, pair.value) + shared_.value[turn_of][w][column_];
        pair.less_one = compose(less_one, pair.less_one);
      }
    }
    if (warp_ == 0 && lane_.valid()) *pair_of(blockIdx.z) = pair;
  }

  __device__ void run() {
    Complex entering = lane_.load_state(a_.in.initial_state);
    if (lane_.valid()) {
      for (std::int64_t s = 0; s < blockIdx.z; ++s) {
        const DiagonalPair pair = *pair_of(s);
        entering = turn(pair.less_one, entering) + pair.value;
      }
    }
    int turn_of = 0;
    for (std::int64_t tile = begin_; tile < end_; tile += Traits::kTile, turn_of ^= 1) {
      scan_own(tile);
      exchange(turn_of);
      Complex mine;
      for (int w = 0; w < Traits::kWarps; ++w) {
        if (w == warp_) mine = entering;
        entering = turn(shared_.less_one[turn_of][w][column_], entering) +
                   shared_.value[turn_of][w][column_];
      }
      store(tile, mine);
    }
    const bool last = blockIdx.z + 1 == a_.in.segments;
    if (last && warp_ == 0 && lane_.valid() && a_.final_state != nullptr) {
      float* row = a_.final_state + lane_.batch() * 2 * a_.in.states;
      row[lane_.state()] = entering.re;
      row[a_.in.states + lane_.state()] = entering.im;
    }
  }

 private:
  __device__ DiagonalPair* pair_of(std::int64_t segment) const {
    return a_.pairs + (lane_.batch() * a_.in.segments + segment) * a_.in.states + lane_.state();
  }

  /// The warp's positions of a tile, from a state of zero.
  __device__ void scan_own(std::int64_t tile) {
    const std::int64_t first = tile + warp_ * Traits::kSteps;
    count_ = lane_.valid() ? static_cast<int>(max(min(end_ - first, std::int64_t{Traits::kSteps}),
                                                  std::int64_t{0}))
                           : 0;
    Complex x[Traits::kSteps];
    float delta[Traits::kSteps];
    for_positions(count_, [&](int i) {
      x[i] = lane_.load(a_.in.x, first + i);
      delta[i] = lane_.delta(first + i);
    });
    Complex h;
    all_less_one_ = {};
    for_positions(count_, [&](int i) {
      less_one_[i] = lane_.resets(first + i) ? Complex{-1, 0} : lane_.less_one(delta[i]);
      h = turn(less_one_[i], h);
      h = {h.re + delta[i] * x[i].re, h.im + delta[i] * x[i].im};
      all_less_one_ = compose(less_one_[i], all_less_one_);
      h_[i] = h;
    });
    value_ = h;
  }
  __device__ void exchange(int turn_of) {
    shared_.value[turn_of][warp_][column_] = value_;
    shared_.less_one[turn_of][warp_][column_] = all_less_one_;
    __syncthreads();
  }
  /// h of the warp's positions, into which `entering` comes.
  __device__ void store(std::int64_t tile, Complex entering) const {
    const std::int64_t first = tile + warp_ * Traits::kSteps;
    for_positions(count_, [&](int i) {
      entering = turn(less_one_[i], entering);
      const Complex h = h_[i] + entering;
      T* row = a_.in.h.at(lane_.batch(), lane_.position(first + i));
      row[lane_.state()] = from_float<T>(h.re);
      row[a_.in.states + lane_.state()] = from_float<T>(h.im);
    });
  }

  const ForwardTask<T>& a_;
  DiagonalShared& shared_;
  DiagonalLane<T, kSelected> lane_;
  int warp_, column_;
  std::int64_t begin_, end_;
  int count_ = 0;
  Complex h_[Traits::kSteps], less_one_[Traits::kSteps];
  Complex value_, all_less_one_;
};

template <class T, bool kSelected>
__global__ void __launch_bounds__(Traits::kThreads)
    diagonal_scan_summary_kernel(const __grid_constant__ ForwardTask<T> a) {
  __shared__ DiagonalShared shared;
  ForwardBlock<T, kSelected>(a, shared).summarise();
}

template <class T, bool kSelected>
__global__ void __launch_bounds__(Traits::kThreads)
    diagonal_scan_forward_kernel(const __grid_constant__ ForwardTask<T> a) {
  __shared__ DiagonalShared shared;
  ForwardBlock<T, kSelected>(a, shared).run();
}

template <class T, bool kSelected>
void launch(const DiagonalScanForward& args, const ExecutionContext& ctx) {
  const std::int64_t batch = args.x.size(0), length = args.x.size(1), states = args.x.size(2) / 2;
  const DiagonalScanPlan plan = diagonal_scan_plan(batch, length, states, multiprocessors());
  const Scratch<DiagonalPair> pairs(plan.segments > 1 ? batch * plan.segments * states : 0, ctx);
  const ForwardTask<T> task{.in = diagonal_scan_task<T>(args, plan),
                            .final_state = device_data<float>(args.final_state),
                            .pairs = pairs.data()};
  dim3 grid(static_cast<unsigned>(plan.state_blocks), static_cast<unsigned>(batch),
            static_cast<unsigned>(plan.segments));
  if (plan.segments > 1) {
    grid.z -= 1;  // nothing follows the last one
    diagonal_scan_summary_kernel<T, kSelected><<<grid, Traits::kThreads, 0, stream_of(ctx)>>>(task);
    KRAIT_CUDA_CHECK_LAUNCH("diagonal_scan_summary_kernel");
    grid.z += 1;
  }
  diagonal_scan_forward_kernel<T, kSelected><<<grid, Traits::kThreads, 0, stream_of(ctx)>>>(task);
  KRAIT_CUDA_CHECK_LAUNCH("diagonal_scan_forward_kernel");
}

}  // namespace

void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "diagonal_scan", [&](auto zero) {
    using T = decltype(zero);
    if (args.delta.rank() == 3) {
      launch<T, true>(args, ctx);
    } else {
      launch<T, false>(args, ctx);
    }
  });
}

}  // namespace krait::cuda
