// Backward of the diagonal scan: the same map as forward (scan.cuh), from the last position to the
// first, over the adjoint
//   lambda[t] = dh[t] + carry[t],  carry[t-1] = conj(a[t]) lambda[t]
// whose carry composes in pairs as the state does. With S = conj(lambda[t]) a[t] h[t-1], Re S is
// the gradient of the decay's exponent, -Im S that of the phase, and dx[t] = delta[t] lambda[t].
//
// Per state and position it reads x, h, dh (2 elements each) and a selected delta (1), writes dx
// (2) and the gradient of a selected delta (1). Sums over time stay in registers; each block leaves
// three per state, which a last kernel adds up in the order of batch entries and segments.
#include <algorithm>

#include "core/stream/scratch.h"
#include "kernels/cuda/diagonal_scan/scan.cuh"

namespace krait::cuda {
namespace {

using Traits = DiagonalScanTraits;

constexpr int kSums = 3;  // of delta Re S, of -Im S (times delta, if the phase scales), of ddelta

template <class T>
struct BackwardTask {
  DiagonalScanTask<T> in;
  DiagonalRows<T> dh, dx, ddelta;  // dx.data, ddelta.data may be null
  bool add_dx, add_ddelta, add_initial;
  const float* dfinal_state;  // may be null
  float* dinitial_state;      // may be null
  DiagonalPair* pairs;        // (b, segments, states); null with one segment
  float* sums;                // (b, segments, kSums, states)
};

/// One segment of 32 states.
template <class T, bool kSelected>
class BackwardBlock {
 public:
  __device__ BackwardBlock(const BackwardTask<T>& a, DiagonalShared& shared, int segment)
      : a_(a),
        shared_(shared),
        lane_(a.in),
        warp_(threadIdx.x / Traits::kLanes),
        column_(threadIdx.x % Traits::kLanes),
        segment_(segment),
        begin_(segment * a.in.segment_length),
        end_(min(begin_ + a.in.segment_length, a.in.length)) {}

  __device__ void summarise() {
    DiagonalPair pair;
    int turn_of = 0;
    for (std::int64_t tile = last_tile(); tile >= begin_; tile -= Traits::kTile, turn_of ^= 1) {
      scan_own(tile);
      exchange(turn_of);
      for (int w = Traits::kWarps - 1; w >= 0; --w) {
        const Complex less_one = shared_.less_one[turn_of][w][column_];
        pair.value = turn(less_one, pair.value) + shared_.value[turn_of][w][column_];
        pair.less_one = compose(less_one, pair.less_one);
      }
    }
    if (warp_ == 0 && lane_.valid()) *pair_of(segment_) = pair;
  }

  __device__ void run() {
    Complex entering = lane_.load_state(a_.dfinal_state);
    if (lane_.valid()) {
      for (std::int64_t s = a_.in.segments - 1; s > segment_; --s) {
        const DiagonalPair pair = *pair_of(s);
        entering = turn(pair.less_one, entering) + pair.value;
      }
    }
    int turn_of = 0;
    for (std::int64_t tile = last_tile(); tile >= begin_; tile -= Traits::kTile, turn_of ^= 1) {
      scan_own(tile);
      Complex x[Traits::kSteps], before[Traits::kSteps];
      load_rest(tile, x, before);
      exchange(turn_of);
      Complex mine;
      for (int w = Traits::kWarps - 1; w >= 0; --w) {
        if (w == warp_) mine = entering;
        entering = turn(shared_.less_one[turn_of][w][column_], entering) +
                   shared_.value[turn_of][w][column_];
      }
      finish(tile, mine, x, before);
    }
    if (segment_ == 0 && warp_ == 0 && lane_.valid() && a_.dinitial_state != nullptr) {
      float* row = a_.dinitial_state + lane_.batch() * 2 * a_.in.states + lane_.state();
      row[0] = (a_.add_initial ? row[0] : 0.0f) + entering.re;
      row[a_.in.states] = (a_.add_initial ? row[a_.in.states] : 0.0f) + entering.im;
    }
    store_sums();
  }

 private:
  __device__ std::int64_t last_tile() const {
    return begin_ + (end_ - 1 - begin_) / Traits::kTile * Traits::kTile;
  }
  __device__ DiagonalPair* pair_of(std::int64_t segment) const {
    return a_.pairs + (lane_.batch() * a_.in.segments + segment) * a_.in.states + lane_.state();
  }

  /// The adjoint of the warp's positions of a tile, as if no gradient came from behind them.
  __device__ void scan_own(std::int64_t tile) {
    const std::int64_t first = tile + warp_ * Traits::kSteps;
    count_ = lane_.valid() ? static_cast<int>(max(min(end_ - first, std::int64_t{Traits::kSteps}),
                                                  std::int64_t{0}))
                           : 0;
    Complex dh[Traits::kSteps];
    for_positions(count_, [&](int i) {
      dh[i] = lane_.load(a_.dh, first + i);
      delta_[i] = lane_.delta(first + i);
    });
    Complex carry;
    all_less_one_ = {};
#pragma unroll
    for (int i = Traits::kSteps - 1; i >= 0; --i) {
      if (i >= count_) continue;
      less_one_[i] = lane_.resets(first + i) ? Complex{-1, 0} : lane_.less_one(delta_[i]);
      lambda_[i] = dh[i] + carry;
      carry = turn_back(less_one_[i], lambda_[i]);
      all_less_one_ = compose({less_one_[i].re, -less_one_[i].im}, all_less_one_);
    }
    value_ = carry;
  }
  /// x, and the state before each of the warp's positions.
  __device__ void load_rest(std::int64_t tile, Complex (&x)[Traits::kSteps],
                            Complex (&before)[Traits::kSteps]) const {
    const std::int64_t first = tile + warp_ * Traits::kSteps;
    for_positions(count_, [&](int i) {
      x[i] = lane_.load(a_.in.x, first + i);
      before[i] = first + i > 0 ? lane_.load(a_.in.h, first + i - 1)
                                : lane_.load_state(a_.in.initial_state);
    });
  }
  __device__ void exchange(int turn_of) {
    shared_.value[turn_of][warp_][column_] = value_;
    shared_.less_one[turn_of][warp_][column_] = all_less_one_;
    __syncthreads();
  }

  __device__ void finish(std::int64_t tile, Complex entering, const Complex (&x)[Traits::kSteps],
                         const Complex (&before)[Traits::kSteps]) {
    const std::int64_t first = tile + warp_ * Traits::kSteps;
#pragma unroll
    for (int i = Traits::kSteps - 1; i >= 0; --i) {
      if (i >= count_) continue;
      const Complex lambda = lambda_[i] + entering;
      entering = turn_back(less_one_[i], entering);
      const Complex moved = turn(less_one_[i], before[i]);
      const float by_decay = lambda.re * moved.re + lambda.im * moved.im;
      const float by_phase = lambda.im * moved.re - lambda.re * moved.im;
      const float phase_scale = a_.in.scaled ? delta_[i] : 1.0f;
      const float ddelta = by_decay * lane_.A_real() +
                           (a_.in.scaled ? by_phase * lane_.A_imag() : 0.0f) +
                           (lambda.re * x[i].re + lambda.im * x[i].im);
      sums_[0] += delta_[i] * by_decay;
      sums_[1] += phase_scale * by_phase;
      sums_[2] += ddelta;
      store(first + i, lambda, delta_[i], ddelta);
    }
  }
  __device__ void store(std::int64_t step, Complex lambda, float delta, float ddelta) const {
    const std::int64_t t = lane_.position(step);
    if (a_.dx.data != nullptr) {
      T* row = a_.dx.at(lane_.batch(), t) + lane_.state();
      put(row, delta * lambda.re, a_.add_dx);
      put(row + a_.in.states, delta * lambda.im, a_.add_dx);
    }
    if (kSelected && a_.ddelta.data != nullptr) {
      put(a_.ddelta.at(lane_.batch(), t) + lane_.state(), ddelta, a_.add_ddelta);
    }
  }
  __device__ static void put(T* to, float value, bool add) {
    *to = from_float<T>(add ? to_float(*to) + value : value);
  }

  /// Those of the block's warps, in their order.
  __device__ void store_sums() const {
    __shared__ float parts[kSums][Traits::kWarps][Traits::kLanes];
    for (int k = 0; k < kSums; ++k) parts[k][warp_][column_] = sums_[k];
    __syncthreads();
    if (warp_ >= kSums || !lane_.valid()) return;
    float total = 0;
    for (int w = 0; w < Traits::kWarps; ++w) total += parts[warp_][w][column_];
    const std::int64_t row = (lane_.batch() * a_.in.segments + segment_) * kSums + warp_;
    a_.sums[row * a_.in.states + lane_.state()] = total;
  }

  const BackwardTask<T>& a_;
  DiagonalShared& shared_;
  DiagonalLane<T, kSelected> lane_;
  int warp_, column_, segment_;
  std::int64_t begin_, end_;
  int count_ = 0;
  Complex lambda_[Traits::kSteps], less_one_[Traits::kSteps];
  float delta_[Traits::kSteps];
  Complex value_, all_less_one_;
  float sums_[kSums] = {};
};

template <class T, bool kSelected>
__global__ void __launch_bounds__(Traits::kThreads)
    diagonal_scan_adjoint_kernel(const __grid_constant__ BackwardTask<T> a) {
  __shared__ DiagonalShared shared;
  BackwardBlock<T, kSelected>(a, shared, static_cast<int>(blockIdx.z) + 1).summarise();
}

template <class T, bool kSelected>
__global__ void __launch_bounds__(Traits::kThreads)
    diagonal_scan_backward_kernel(const __grid_constant__ BackwardTask<T> a) {
  __shared__ DiagonalShared shared;
  BackwardBlock<T, kSelected>(a, shared, static_cast<int>(blockIdx.z)).run();
}

struct SumTask {
  const float* sums;  // (rows, kSums, states)
  std::int64_t rows, states;
  float* to[kSums];  // null where it is not wanted
  bool add[kSums];
};

/// Adds up the rows, in their order: a block for 32 states of one sum, whose warps take the rows in
/// turn.
__global__ void __launch_bounds__(Traits::kThreads)
    diagonal_scan_sums_kernel(const __grid_constant__ SumTask a) {
  __shared__ float parts[Traits::kWarps][Traits::kLanes];
  const int warp = threadIdx.x / Traits::kLanes, column = threadIdx.x % Traits::kLanes;
  const std::int64_t p = std::int64_t{blockIdx.x} * Traits::kLanes + column;
  const int k = blockIdx.y;
  float total = 0;
  for (std::int64_t row = warp; row < a.rows && p < a.states; row += Traits::kWarps) {
    total += a.sums[(row * kSums + k) * a.states + p];
  }
  parts[warp][column] = total;
  __syncthreads();
  if (warp != 0 || p >= a.states || a.to[k] == nullptr) return;
  total = a.add[k] ? a.to[k][p] : 0.0f;
  for (int w = 0; w < Traits::kWarps; ++w) total += parts[w][column];
  a.to[k][p] = total;
}

float* wanted_data(const Gradient& gradient) {
  return gradient.wanted() ? device_data<float>(gradient.tensor) : nullptr;
}

template <class T, bool kSelected>
void launch(const DiagonalScanBackward& args, const ExecutionContext& ctx) {
  const DiagonalScanForward& in = args.forward;
  const std::int64_t batch = in.x.size(0), length = in.x.size(1), states = in.x.size(2) / 2;
  const DiagonalScanPlan plan = diagonal_scan_plan(batch, length, states, multiprocessors());
  const Scratch<DiagonalPair> pairs(plan.segments > 1 ? batch * plan.segments * states : 0, ctx);
  const Scratch<float> sums(batch * plan.segments * kSums * states, ctx);
  const auto rows = [](const Gradient& g) {
    return diagonal_rows<T>(g.wanted() ? g.tensor : Tensor());
  };
  const BackwardTask<T> task{.in = diagonal_scan_task<T>(in, plan),
                             .dh = diagonal_rows<T>(args.dh),
                             .dx = rows(args.dx),
                             .ddelta = kSelected ? rows(args.ddelta) : DiagonalRows<T>{},
                             .add_dx = args.dx.accumulates(),
                             .add_ddelta = args.ddelta.accumulates(),
                             .add_initial = args.dinitial_state.accumulates(),
                             .dfinal_state = device_data<float>(args.dfinal_state),
                             .dinitial_state = wanted_data(args.dinitial_state),
                             .pairs = pairs.data(),
                             .sums = sums.data()};
  dim3 grid(static_cast<unsigned>(plan.state_blocks), static_cast<unsigned>(batch),
            static_cast<unsigned>(plan.segments));
  if (plan.segments > 1) {
    grid.z -= 1;  // nothing comes before the first one
    diagonal_scan_adjoint_kernel<T, kSelected><<<grid, Traits::kThreads, 0, stream_of(ctx)>>>(task);
    KRAIT_CUDA_CHECK_LAUNCH("diagonal_scan_adjoint_kernel");
    grid.z += 1;
  }
  diagonal_scan_backward_kernel<T, kSelected><<<grid, Traits::kThreads, 0, stream_of(ctx)>>>(task);
  KRAIT_CUDA_CHECK_LAUNCH("diagonal_scan_backward_kernel");
  const SumTask add{
      .sums = sums.data(),
      .rows = batch * plan.segments,
      .states = states,
      .to = {wanted_data(args.dA_real), wanted_data(args.dA_imag),
             kSelected ? nullptr : wanted_data(args.ddelta)},
      .add = {args.dA_real.accumulates(), args.dA_imag.accumulates(), args.ddelta.accumulates()}};
  const dim3 sum_grid(static_cast<unsigned>(plan.state_blocks), kSums);
  diagonal_scan_sums_kernel<<<sum_grid, Traits::kThreads, 0, stream_of(ctx)>>>(add);
  KRAIT_CUDA_CHECK_LAUNCH("diagonal_scan_sums_kernel");
}

}  // namespace

void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx) {
  visit_device_float(args.forward.x.dtype(), "diagonal_scan", [&](auto zero) {
    using T = decltype(zero);
    if (args.forward.delta.rank() == 3) {
      launch<T, true>(args, ctx);
    } else {
      launch<T, false>(args, ctx);
    }
  });
}

}  // namespace krait::cuda
