// Backward scan. With s[t] = sum_n C h + D u before the gate, dh the gradient of h and a = exp(dt
// A):
//
//   dh[t] = a[t+1] dh[t+1] + C[t] ds[t]          dC[t] += ds[t] h[t]    dB[t] += dh[t] dt[t] u[t]
//   d(dt A)[t] = dh[t] a[t] h[t-1]               dA += d(dt A) dt       d(dt) += d(dt A) A
//   d(dt u)[t] = sum_n dh[t] B[t]                du = d(dt u) dt + D ds
//
// One piece of work is a slice of the channel tiles of a group of one batch entry, walked backward
// chunk by chunk. For each block of four states of a tile, the states of the chunk are recomputed
// from chunk_states and kept, with their decays, in 8 to 16 kB on the stack (the second look at a
// decay costs a load, not an exp2); then the gradients are walked back. dB and dC add up over the
// tiles of a slice as whole registers, whose lanes are summed once per (t, n) and slice. When there
// are few slices, time is cut in segments too, as in the forward: a first pass finds the gradient
// that each segment passes to the one before it.
//
// Scratch: per slice, the partial sums of dB and dC, limited to half the size of u; per (batch,
// segment), those of dA, dD and ddelta_bias. All are summed in one order at any number of threads.
#include "kernels/cpu/selective_scan/backward.h"

#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

/// target[i] (+)= sum over k of parts[k * stride + i], in the order of k.
template <class T>
void put_sum(const T* parts, std::int64_t count, std::int64_t stride, std::int64_t size,
             const Gradient& g) {
  T* target = g.tensor.data<T>();
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T sum = 0;
      for (std::int64_t k = 0; k < count; ++k) sum += parts[k * stride + i];
      target[i] = g.accumulates() ? target[i] + sum : sum;
    }
  });
}

/// The same for a gradient shaped (b, l, g, n) with free strides.
template <class T>
void put_group_sum(const T* parts, std::int64_t count, const Gradient& gradient) {
  if (!gradient.wanted()) return;
  const Tensor& t = gradient.tensor;
  const std::int64_t length = t.size(1), groups = t.size(2), states = t.size(3);
  const std::int64_t stride = t.numel();
  parallel_for(t.size(0) * length, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t g = 0; g < groups; ++g) {
        T* target =
            t.data<T>() + row / length * t.stride(0) + row % length * t.stride(1) + g * t.stride(2);
        const T* part = parts + (row * groups + g) * states;
        for (std::int64_t n = 0; n < states; ++n) {
          T sum = 0;
          for (std::int64_t k = 0; k < count; ++k) sum += part[k * stride + n];
          target[n] = gradient.accumulates() ? target[n] + sum : sum;
        }
      }
    }
  });
}

/// Slices per group: up to 16, as long as their partial sums of dB and dC, 2 n of them for each
/// row of d / g channels, stay below half of u.
template <class T>
std::int64_t slices_per_group(const ScanProblem<T>& p) {
  constexpr std::int64_t kMost = 16;
  const std::int64_t fit = p.channels / p.groups / (4 * p.states);
  return std::clamp<std::int64_t>(fit, 1, std::min(kMost, p.tiles_per_group));
}

/// First pass over segments: what each passes to the one before it. Returns rows[unit][segment]
/// [tile][n] of the gradients that the segments start from, in `leaving`.
template <class T>
class SegmentCarries {
 public:
  SegmentCarries(const BackwardProblem<T>& p, const ExecutionContext& ctx)
      : p_(p),
        ctx_(ctx),
        most_tiles_((p.scan.tiles_per_group + p.slices - 1) / p.slices),
        carries_(p.units() * p.cut.count * most_tiles_ * p.scan.states, ctx),
        elapsed_(p.units() * p.cut.count * most_tiles_, ctx) {
    const std::int64_t later = p.cut.count - 1;
    parallel_for(p.units() * later, 1,
                 [&](std::int64_t i, std::int64_t) { find_carry(i / later, i % later + 1); });
    parallel_for(p.units(), 1, [&](std::int64_t unit, std::int64_t) { join(unit); });
  }
  /// The gradient of the state that `segment` leaves, for all but the last one.
  const TileRow<T>* leaving(std::int64_t unit, std::int64_t segment) const {
    return carries_.data() + (unit * p_.cut.count + segment) * most_tiles_ * p_.scan.states;
  }

 private:
  TileRow<T>* writable(std::int64_t unit, std::int64_t segment) const {
    return const_cast<TileRow<T>*>(leaving(unit, segment));
  }
  TileRow<T>* elapsed(std::int64_t unit, std::int64_t segment) const {
    return elapsed_.data() + (unit * p_.cut.count + segment) * most_tiles_;
  }
  void find_carry(std::int64_t unit, std::int64_t segment) const {
    BackwardSlice<T> slice(p_, unit, ctx_);
    segment == p_.cut.count - 1 ? slice.carry_dfinal_state() : slice.carry_zero();
    slice.run_carry(segment);
    std::copy_n(slice.carry(), slice.carry_size(), writable(unit, segment - 1));
    std::copy_n(slice.elapsed(), slice.tiles(), elapsed(unit, segment - 1));
  }
  void join(std::int64_t unit) const {
    const BackwardSlice<T> slice(p_, unit, ctx_);
    for (std::int64_t s = p_.cut.count - 2; s >= 1; --s) {
      if (p_.scan.resets_within(slice.batch(), p_.begin(s), p_.end(s))) continue;
      slice.add_decayed(leaving(unit, s), elapsed(unit, s - 1), writable(unit, s - 1));
    }
  }

  const BackwardProblem<T>& p_;
  const ExecutionContext& ctx_;
  const std::int64_t most_tiles_;
  Scratch<TileRow<T>> carries_, elapsed_;
};

template <class T>
void run_slices(const BackwardProblem<T>& p, const ExecutionContext& ctx) {
  if (p.cut.count == 1) {
    parallel_for(p.units(), 1, [&](std::int64_t unit, std::int64_t) {
      BackwardSlice<T> slice(p, unit, ctx);
      slice.carry_dfinal_state();
      slice.run(0);
    });
    return;
  }
  const SegmentCarries<T> carries(p, ctx);
  parallel_for(p.units() * p.cut.count, 1, [&](std::int64_t i, std::int64_t) {
    const std::int64_t unit = i / p.cut.count, segment = i % p.cut.count;
    BackwardSlice<T> slice(p, unit, ctx);
    if (segment == p.cut.count - 1) {
      slice.carry_dfinal_state();
    } else {
      std::copy_n(carries.leaving(unit, segment), slice.carry_size(), slice.carry());
    }
    slice.run(segment);
  });
}

template <class T>
void backward(const SelectiveScanBackward& args, const ExecutionContext& ctx) {
  BackwardProblem<T> p{.scan = ScanProblem<T>(args.forward)};
  const std::int64_t b = p.scan.batch, d = p.scan.channels, n = p.scan.states;
  p.dy = Rows<T>(args.dy);
  p.dfinal_state = args.dfinal_state.defined() ? args.dfinal_state.data<T>() : nullptr;
  p.du = GradientRows<T>(args.du);
  p.ddelta = GradientRows<T>(args.ddelta);
  p.dz = GradientRows<T>(args.dz);
  p.slices = slices_per_group(p.scan);
  p.cut = cut_time(p.units(), p.scan.length);
  const std::int64_t group_sums = b * p.scan.length * p.scan.groups * n;
  const std::int64_t entries = b * p.cut.count;
  const Scratch<T> dB(p.slices * group_sums, ctx), dC(p.slices * group_sums, ctx);
  const Scratch<T> dA(entries * d * n, ctx), dD(entries * d, ctx), dbias(entries * d, ctx);
  const Scratch<T> dinitial(b * d * n, ctx);
  p.dB = dB.data(), p.dC = dC.data(), p.dA = dA.data(), p.dD = dD.data();
  p.ddelta_bias = dbias.data(), p.dinitial_state = dinitial.data();
  run_slices(p, ctx);

  put_group_sum(p.dB, p.slices, args.dB);
  put_group_sum(p.dC, p.slices, args.dC);
  if (args.dA.wanted()) put_sum(p.dA, entries, d * n, d * n, args.dA);
  if (args.dD.wanted()) put_sum(p.dD, entries, d, d, args.dD);
  if (args.ddelta_bias.wanted()) put_sum(p.ddelta_bias, entries, d, d, args.ddelta_bias);
  if (args.dinitial_state.wanted()) {
    put_sum(p.dinitial_state, 1, b * d * n, b * d * n, args.dinitial_state);
  }
}

}  // namespace

void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx) {
  SelectiveScanBackward full = args;
  SelectiveScanForward& f = full.forward;
  if (!f.chunk_states.defined()) {
    const std::int64_t chunks = (f.u.size(1) + kScanChunk - 1) / kScanChunk;
    f.chunk_states =
        Tensor::empty({f.u.size(0), chunks, f.u.size(2), f.A.size(1)}, f.u.dtype(), ctx.device);
    f.y = f.final_state = Tensor();
    cpu::selective_scan_forward(f, ctx);
  }
  visit_float(f.u.dtype(), "selective_scan",
              [&](auto zero) { backward<decltype(zero)>(full, ctx); });
}

}  // namespace krait::cpu
