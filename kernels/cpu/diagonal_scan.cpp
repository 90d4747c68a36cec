// The diagonal scan on the CPU. A task is a batch entry and a block of neighbouring states; it
// walks through time once, with the loop over its states inside, which vectorises. Backward walks
// the other way with the adjoint
//   lambda[t] = dh[t] + conj(a[t+1]) lambda[t+1]
// and has, with S = conj(lambda[t]) a[t] h[t-1], the gradients Re S of the decay's exponent and -Im
// S of the phase, and dx[t] = delta[t] lambda[t].
#include "kernels/diagonal_scan.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kBlock = 32;  // states of a task

/// Rows of a tensor (b, l, c), by position.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0;

  Rows() = default;
  explicit Rows(const Tensor& t)
      : data(t.defined() ? t.data<T>() : nullptr),
        batch_stride(t.defined() ? t.stride(0) : 0),
        row_stride(t.defined() ? t.stride(1) : 0) {}
  T* at(std::int64_t b, std::int64_t t) const { return data + b * batch_stride + t * row_stride; }
};

template <class T>
T* data_of(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

/// A complex number for each state of a task, real and imaginary parts apart.
template <class T>
struct BlockOf {
  T re[kBlock] = {}, im[kBlock] = {};
};

/// One batch entry and the states [first, first + count).
template <class T>
class Task {
 public:
  Task(const DiagonalScanForward& a, std::int64_t task)
      : a_(a),
        length_(a.x.size(1)),
        states_(a.x.size(2) / 2),
        b_(task / blocks_of(a)),
        first_(task % blocks_of(a) * kBlock),
        count_(std::min(kBlock, states_ - first_)),
        x_(a.x),
        h_(a.h),
        selected_(a.delta.rank() == 3 ? Rows<T>(a.delta) : Rows<T>()) {
    const T* fixed = a.delta.rank() == 1 ? a.delta.data<T>() + first_ : nullptr;
    for (std::int64_t i = 0; i < count_; ++i) {
      A_real_[i] = a.A_real.data<T>()[first_ + i];
      A_imag_[i] = a.A_imag.data<T>()[first_ + i];
      if (fixed != nullptr) delta_[i] = fixed[i];
    }
    if (fixed != nullptr) set_decay();
  }
  static std::int64_t blocks_of(const DiagonalScanForward& a) {
    return ceil_div(a.x.size(2) / 2, kBlock);
  }

  void forward() {
    BlockOf<T> h = load_state(a_.initial_state);
    for (std::int64_t step = 0; step < length_; ++step) {
      const std::int64_t t = position(step);
      if (resets(step)) h = {};
      select(t);
      const T* x = x_.at(b_, t) + first_;
      T* out = h_.at(b_, t) + first_;
      for (std::int64_t i = 0; i < count_; ++i) {
        const T re = h.re[i], im = h.im[i];
        h.re[i] = re + ((less_one_.re[i] * re - less_one_.im[i] * im) + delta_[i] * x[i]);
        h.im[i] = im + ((less_one_.re[i] * im + less_one_.im[i] * re) + delta_[i] * x[states_ + i]);
        out[i] = h.re[i];
        out[states_ + i] = h.im[i];
      }
    }
    store_state(h, a_.final_state, false);
  }

  /// `sums`, three rows of all states: of Re S, -Im S and conj(lambda) x, weighted as dA_real,
  /// dA_imag and a fixed delta need them.
  void backward(const DiagonalScanBackward& g, T* sums) {
    const Rows<T> dh(g.dh), dx(g.dx.wanted() ? g.dx.tensor : Tensor());
    const Rows<T> ddelta(selects() && g.ddelta.wanted() ? g.ddelta.tensor : Tensor());
    const bool scaled = a_.phase == DiagonalPhase::Scaled;
    BlockOf<T> carry = load_state(g.dfinal_state);  // conj(a) lambda of the position after
    T total[3][kBlock] = {};
    for (std::int64_t step = length_ - 1; step >= 0; --step) {
      const std::int64_t t = position(step);
      select(t);
      const bool reset = resets(step);
      const BlockOf<T> before = reset ? BlockOf<T>{} : state_before(step);
      const T *x = x_.at(b_, t) + first_, *in = dh.at(b_, t) + first_;
      for (std::int64_t i = 0; i < count_; ++i) {
        const T re = in[i] + carry.re[i], im = in[states_ + i] + carry.im[i];  // lambda
        const T a_re = 1 + less_one_.re[i], a_im = less_one_.im[i];
        const T moved_re = a_re * before.re[i] - a_im * before.im[i];
        const T moved_im = a_re * before.im[i] + a_im * before.re[i];
        const T by_decay = re * moved_re + im * moved_im;   // Re S
        const T by_phase = re * -moved_im + im * moved_re;  // -Im S
        const T by_gain = re * x[i] + im * x[states_ + i];
        total[0][i] += delta_[i] * by_decay;
        total[1][i] += scaled ? delta_[i] * by_phase : by_phase;
        total[2][i] += by_decay * A_real_[i] + (scaled ? by_phase * A_imag_[i] : T(0)) + by_gain;
        if (ddelta.data != nullptr) {
          T& to = ddelta.at(b_, t)[first_ + i];
          const T value = by_decay * A_real_[i] + (scaled ? by_phase * A_imag_[i] : T(0)) + by_gain;
          to = g.ddelta.accumulates() ? to + value : value;
        }
        if (dx.data != nullptr) {
          T* to = dx.at(b_, t) + first_;
          const bool add = g.dx.accumulates();
          to[i] = (add ? to[i] : T(0)) + delta_[i] * re;
          to[states_ + i] = (add ? to[states_ + i] : T(0)) + delta_[i] * im;
        }
        carry.re[i] = reset ? T(0) : a_re * re + a_im * im;
        carry.im[i] = reset ? T(0) : a_re * im - a_im * re;
      }
    }
    if (g.dinitial_state.wanted()) {
      store_state(carry, g.dinitial_state.tensor, g.dinitial_state.accumulates());
    }
    for (int row = 0; row < 3; ++row) {
      std::copy_n(total[row], count_, sums + (b_ * 3 + row) * states_ + first_);
    }
  }

 private:
  bool selects() const { return selected_.data != nullptr; }
  std::int64_t position(std::int64_t step) const { return a_.reverse ? length_ - 1 - step : step; }
  bool resets(std::int64_t step) const {
    if (!a_.sequence_ids.defined() || step == 0) return false;
    const std::int32_t* ids = a_.sequence_ids.data<std::int32_t>() + b_ * length_;
    return ids[position(step)] != ids[position(step - 1)];
  }

  void select(std::int64_t t) {
    if (!selects()) return;
    const T* row = selected_.at(b_, t) + first_;
    for (std::int64_t i = 0; i < count_; ++i) delta_[i] = row[i];
    set_decay();
  }
  /// a - 1, exact to its last digits where a is close to 1: cos - 1 is -2 sin^2 of half the angle.
  void set_decay() {
    for (std::int64_t i = 0; i < count_; ++i) {
      const T angle = a_.phase == DiagonalPhase::Scaled ? delta_[i] * A_imag_[i] : A_imag_[i];
      const T shrink = std::expm1(delta_[i] * A_real_[i]), half = std::sin(angle / 2);
      less_one_.re[i] = shrink * std::cos(angle) - 2 * half * half;
      less_one_.im[i] = (1 + shrink) * std::sin(angle);
    }
  }

  BlockOf<T> load_state(const Tensor& state) const {
    BlockOf<T> block;
    if (!state.defined()) return block;
    const T* from = state.data<T>() + b_ * 2 * states_ + first_;
    std::copy_n(from, count_, block.re);
    std::copy_n(from + states_, count_, block.im);
    return block;
  }
  void store_state(const BlockOf<T>& block, const Tensor& state, bool add) const {
    if (!state.defined()) return;
    T* to = state.data<T>() + b_ * 2 * states_ + first_;
    for (std::int64_t i = 0; i < count_; ++i) {
      to[i] = (add ? to[i] : T(0)) + block.re[i];
      to[states_ + i] = (add ? to[states_ + i] : T(0)) + block.im[i];
    }
  }
  BlockOf<T> state_before(std::int64_t step) const {
    if (step == 0) return load_state(a_.initial_state);
    BlockOf<T> block;
    const T* from = h_.at(b_, position(step - 1)) + first_;
    std::copy_n(from, count_, block.re);
    std::copy_n(from + states_, count_, block.im);
    return block;
  }

  const DiagonalScanForward& a_;
  std::int64_t length_, states_, b_, first_, count_;
  Rows<T> x_, h_, selected_;
  T A_real_[kBlock] = {}, A_imag_[kBlock] = {}, delta_[kBlock] = {};
  BlockOf<T> less_one_;  // a - 1
};

/// Adds the rows of all batch entries, in their order.
template <class T>
void add_sums(const T* sums, int row, std::int64_t batch, std::int64_t states, const Gradient& to) {
  if (!to.wanted()) return;
  T* out = to.tensor.data<T>();
  for (std::int64_t i = 0; i < states; ++i) {
    T total = to.accumulates() ? out[i] : T(0);
    for (std::int64_t b = 0; b < batch; ++b) total += sums[(b * 3 + row) * states + i];
    out[i] = total;
  }
}

}  // namespace

void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext&) {
  visit_float(args.x.dtype(), "diagonal_scan", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(args.x.size(0) * Task<T>::blocks_of(args), 1, [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) Task<T>(args, i).forward();
    });
  });
}

void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx) {
  const DiagonalScanForward& a = args.forward;
  visit_float(a.x.dtype(), "diagonal_scan", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t batch = a.x.size(0), states = a.x.size(2) / 2;
    const Scratch<T> sums(batch * 3 * states, ctx);
    parallel_for(batch * Task<T>::blocks_of(a), 1, [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) Task<T>(a, i).backward(args, sums.data());
    });
    add_sums(sums.data(), 0, batch, states, args.dA_real);
    add_sums(sums.data(), 1, batch, states, args.dA_imag);
    if (a.delta.rank() == 1) add_sums(sums.data(), 2, batch, states, args.ddelta);
  });
}

}  // namespace krait::cpu
