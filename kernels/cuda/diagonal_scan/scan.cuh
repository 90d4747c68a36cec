// The diagonal scan on a GPU: what its two directions share.
//
// Layout. A block has 32 neighbouring states of one batch entry, one for each lane, and 8 warps
// that take turns in time: of a tile of 64 positions each warp holds 8 in registers, scans them as
// if nothing entered, and leaves what they do to a state that enters, a pair
//   (value, m):  state after = (1 + m) * state before + value
// in shared memory. After one barrier every warp composes the pairs in front of it with the state
// that enters the tile and adds what that contributes to each position. So the loads of 64
// positions are under way at once, and a row is read once.
//
// Where batch and states do not fill the GPU, time is cut into segments, one block each: a first
// pass finds the pair of each segment, and every block composes those in front of it.
//
// Everything is f32 in registers; a - 1, not a, is kept (see kernels/diagonal_scan.h).
#pragma once
#include <cstdint>

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/diagonal_scan/plan.h"
#include "kernels/diagonal_scan.h"

namespace krait::cuda {

struct Complex {
  float re = 0, im = 0;
};

/// (1 + m) z
__device__ inline Complex turn(Complex m, Complex z) {
  return {z.re + (m.re * z.re - m.im * z.im), z.im + (m.re * z.im + m.im * z.re)};
}
/// conj(1 + m) z
__device__ inline Complex turn_back(Complex m, Complex z) {
  return turn({m.re, -m.im}, z);
}
/// (1 + m) (1 + n) - 1
__device__ inline Complex compose(Complex m, Complex n) {
  return {n.re + (m.re + (m.re * n.re - m.im * n.im)), n.im + (m.im + (m.re * n.im + m.im * n.re))};
}
__device__ inline Complex operator+(Complex a, Complex b) {
  return {a.re + b.re, a.im + b.im};
}

/// Rows of a tensor (b, l, c).
template <class T>
struct DiagonalRows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0;
  __device__ T* at(std::int64_t b, std::int64_t t) const {
    return data + b * batch_stride + t * row_stride;
  }
};
template <class T>
DiagonalRows<T> diagonal_rows(const Tensor& t) {
  if (!t.defined()) return {};
  return {device_data<T>(t), t.stride(0), t.stride(1)};
}

/// What both directions read.
template <class T>
struct DiagonalScanTask {
  std::int64_t length = 0, states = 0;
  std::int64_t segments = 1, segment_length = 0;
  DiagonalRows<T> x, h, selected;  // selected.data is null for a fixed delta
  const float *delta = nullptr, *A_real = nullptr, *A_imag = nullptr;
  const float* initial_state = nullptr;        // may be null
  const std::int32_t* sequence_ids = nullptr;  // may be null
  bool scaled = true, reverse = false;
};

template <class T>
DiagonalScanTask<T> diagonal_scan_task(const DiagonalScanForward& a, const DiagonalScanPlan& plan) {
  const bool fixed = a.delta.rank() == 1;
  return {.length = a.x.size(1),
          .states = a.x.size(2) / 2,
          .segments = plan.segments,
          .segment_length = plan.segment_tiles * DiagonalScanTraits::kTile,
          .x = diagonal_rows<T>(a.x),
          .h = diagonal_rows<T>(a.h),
          .selected = diagonal_rows<T>(fixed ? Tensor() : a.delta),
          .delta = device_data<float>(fixed ? a.delta : Tensor()),
          .A_real = device_data<float>(a.A_real),
          .A_imag = device_data<float>(a.A_imag),
          .initial_state = device_data<float>(a.initial_state),
          .sequence_ids = a.sequence_ids.defined() ? a.sequence_ids.data<std::int32_t>() : nullptr,
          .scaled = a.phase == DiagonalPhase::Scaled,
          .reverse = a.reverse};
}

/// One state of one batch entry, and the steps of time: step s is position s, or the s-th from the
/// end.
template <class T, bool kSelected>
class DiagonalLane {
 public:
  __device__ explicit DiagonalLane(const DiagonalScanTask<T>& a)
      : a_(a),
        b_(blockIdx.y),
        p_(std::int64_t{blockIdx.x} * DiagonalScanTraits::kLanes +
           threadIdx.x % DiagonalScanTraits::kLanes),
        valid_(p_ < a.states) {
    if (!valid_) return;
    A_real_ = a.A_real[p_];
    A_imag_ = a.A_imag[p_];
    if (!kSelected) {
      delta_ = a.delta[p_];
      less_one_ = wide_less_one();
    } else if (!a.scaled) {
      sincosf(A_imag_, &sine_, &cosine_);
      const float half = sinf(A_imag_ / 2);
      cosine_less_one_ = -2 * half * half;
    }
  }
  __device__ bool valid() const { return valid_; }
  __device__ std::int64_t state() const { return p_; }
  __device__ std::int64_t batch() const { return b_; }
  __device__ float A_real() const { return A_real_; }
  __device__ float A_imag() const { return A_imag_; }

  __device__ std::int64_t position(std::int64_t step) const {
    return a_.reverse ? a_.length - 1 - step : step;
  }
  __device__ Complex load(const DiagonalRows<T>& rows, std::int64_t step) const {
    const T* row = rows.at(b_, position(step));
    return {to_float(row[p_]), to_float(row[a_.states + p_])};
  }
  __device__ Complex load_state(const float* state) const {
    if (state == nullptr || !valid_) return {};
    const float* row = state + b_ * 2 * a_.states;
    return {row[p_], row[a_.states + p_]};
  }
  __device__ bool resets(std::int64_t step) const {
    if (a_.sequence_ids == nullptr || step == 0) return false;
    const std::int32_t* ids = a_.sequence_ids + b_ * a_.length;
    return ids[position(step)] != ids[position(step - 1)];
  }
  __device__ float delta(std::int64_t step) const {
    if constexpr (kSelected) {
      return to_float(a_.selected.at(b_, position(step))[p_]);
    } else {
      return delta_;
    }
  }
  /// a - 1
  __device__ Complex less_one(float delta) const {
    if constexpr (!kSelected) return less_one_;
    const float shrink = expm1f(delta * A_real_);
    float sine = sine_, cosine = cosine_, cosine_less_one = cosine_less_one_;
    if (a_.scaled) {
      const float angle = delta * A_imag_, half = sinf(angle / 2);
      sincosf(angle, &sine, &cosine);
      cosine_less_one = -2 * half * half;
    }
    return {shrink * cosine + cosine_less_one, (1 + shrink) * sine};
  }

 private:
  /// Once per thread, so in f64.
  __device__ Complex wide_less_one() const {
    const double angle = a_.scaled ? static_cast<double>(delta_) * A_imag_ : A_imag_;
    const double shrink = expm1(static_cast<double>(delta_) * A_real_), half = sin(angle / 2);
    return {static_cast<float>(shrink * cos(angle) - 2 * half * half),
            static_cast<float>((1 + shrink) * sin(angle))};
  }

  const DiagonalScanTask<T>& a_;
  std::int64_t b_, p_;
  bool valid_;
  float A_real_ = 0, A_imag_ = 0, delta_ = 0;
  Complex less_one_;                                   // of a fixed delta
  float sine_ = 0, cosine_ = 1, cosine_less_one_ = 0;  // of a fixed phase
};

/// Calls f(i) for the first `count` of a warp's positions. A full set, which almost all are, has no
/// branches, so that its loads are under way together.
template <class F>
__device__ inline void for_positions(int count, F&& f) {
  if (count == DiagonalScanTraits::kSteps) {
#pragma unroll
    for (int i = 0; i < DiagonalScanTraits::kSteps; ++i) f(i);
  } else {
#pragma unroll
    for (int i = 0; i < DiagonalScanTraits::kSteps; ++i) {
      if (i < count) f(i);
    }
  }
}

/// What some positions do to a state that enters them.
struct DiagonalPair {
  Complex value, less_one;
};

/// The pairs of a tile's warps. Two sets in turn, so that one barrier per tile is enough.
struct DiagonalShared {
  Complex value[2][DiagonalScanTraits::kWarps][DiagonalScanTraits::kLanes];
  Complex less_one[2][DiagonalScanTraits::kWarps][DiagonalScanTraits::kLanes];
};

}  // namespace krait::cuda
