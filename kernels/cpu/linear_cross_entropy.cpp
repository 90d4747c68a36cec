// Chunks of rows, one after the other: a product gives the logits of a chunk, a parallel loop over
// its rows the losses, or in place the gradients of the logits, and two more products dx and
// dweight. dweight adds up over the chunks in their order.
#include "kernels/linear_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "core/system/parallel.h"
#include "kernels/copy.h"
#include "kernels/cpu/vector/elementary.h"
#include "kernels/cpu/vector/sums.h"
#include "kernels/gemm.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kLogitBytes = std::int64_t{16} << 20;
constexpr std::int64_t kSmallestChunk = 32;  // rows: a product of fewer reads the weight too often
constexpr std::int64_t kTaskWork = 1 << 14;  // logits: some 20 us

void check_targets(const LinearCrossEntropyForward& a) {
  const std::int64_t v = a.weight.size(0);
  const auto targets = a.targets.span<std::int32_t>();
  for (std::size_t row = 0; row < targets.size(); ++row) {
    const std::int32_t t = targets[row];
    KRAIT_CHECK(BadData, (t >= 0 && t < v) || t == kIgnoreIndex,
                "[linear_cross_entropy] targets must be in [0, ", v, ") or ", kIgnoreIndex,
                ", got ", t, " in row ", row, ". Was the text encoded with another vocabulary?");
  }
}

/// Calls f(chunk of x, its logits, number of its first row) for all chunks of rows.
template <class T, class F>
void for_each_chunk(const LinearCrossEntropyForward& a, const ExecutionContext& ctx, F&& f) {
  const std::int64_t rows = a.x.size(0), v = a.weight.size(0);
  const std::int64_t fitting = kLogitBytes / (v * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t wanted = a.chunk_rows > 0 ? a.chunk_rows : std::max(kSmallestChunk, fitting);
  const std::int64_t chunk = std::min(rows, wanted);
  if (rows == 0) return;
  const Tensor all = Tensor::empty({chunk, v}, dtype_of<T>);
  for (std::int64_t row = 0; row < rows; row += chunk) {
    const Tensor x = a.x.slice(0, row, std::min(rows, row + chunk));
    const Tensor logits = all.slice(0, 0, x.size(0));
    krait::gemm({.a = x, .b = a.weight, .c = logits, .transpose_b = true}, ctx);
    f(x, logits, row);
  }
}

/// Calls f(row of the chunk) for all its rows, on all threads.
template <class F>
void for_each_row(const Tensor& logits, F&& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, kTaskWork / logits.size(1));
  parallel_for(logits.size(0), grain, [&](auto begin, auto end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

/// Loss, logsumexp and correctness of one row.
template <class T>
void row_loss(const LinearCrossEntropyForward& a, const T* s, std::int64_t row) {
  const std::int64_t v = a.weight.size(0);
  const std::int32_t target = a.targets.data<std::int32_t>()[row];
  const T max = lane_max(s, v);
  const double sum = lane_sum(v, [=](std::int64_t j) { return exp(s[j] - max); });
  const double lse = static_cast<double>(max) + std::log(sum);
  a.logsumexp.data<T>()[row] = static_cast<T>(lse);
  double loss = 0;
  if (target != kIgnoreIndex) {
    loss = lse - static_cast<double>(s[target]) + a.z_loss * lse * lse;
    if (a.label_smoothing > 0) {
      const double mean =
          lane_sum(v, [=](std::int64_t j) { return s[j]; }) / static_cast<double>(v);
      loss += a.label_smoothing * (static_cast<double>(s[target]) - mean);
    }
  }
  a.losses.data<T>()[row] = static_cast<T>(loss);
  if (a.correct.defined()) {
    const bool correct =
        target != kIgnoreIndex && s[target] == max && std::find(s, s + target, max) == s + target;
    a.correct.data<std::uint8_t>()[row] = correct ? 1 : 0;
  }
}

/// s = dloss/ds of one row, in place:
///   dloss ((1 + 2 z_loss lse) softmax(s) - (1 - e) [target] - e / v)
template <class T>
void row_gradient(const LinearCrossEntropyBackward& b, T* s, std::int64_t row) {
  const LinearCrossEntropyForward& a = b.forward;
  const std::int64_t v = a.weight.size(0);
  const std::int32_t target = a.targets.data<std::int32_t>()[row];
  if (target == kIgnoreIndex) {
    std::fill_n(s, v, T(0));
    return;
  }
  const T lse = a.logsumexp.data<T>()[row], dloss = b.dlosses.data<T>()[row];
  const T scale = dloss * static_cast<T>(1 + 2 * a.z_loss * static_cast<double>(lse));
  const T smooth = dloss * static_cast<T>(a.label_smoothing / static_cast<double>(v));
#pragma GCC ivdep
  for (std::int64_t j = 0; j < v; ++j) s[j] = scale * exp(s[j] - lse) - smooth;
  s[target] -= dloss * static_cast<T>(1 - a.label_smoothing);
}

}  // namespace

void linear_cross_entropy_forward(const LinearCrossEntropyForward& a, const ExecutionContext& ctx) {
  check_targets(a);
  visit_float(a.x.dtype(), "linear_cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    for_each_chunk<T>(a, ctx, [&](const Tensor&, const Tensor& logits, std::int64_t first) {
      for_each_row(logits, [&](std::int64_t i) {
        row_loss(a, logits.data<T>() + i * logits.size(1), first + i);
      });
    });
  });
}

void linear_cross_entropy_backward(const LinearCrossEntropyBackward& b,
                                   const ExecutionContext& ctx) {
  const LinearCrossEntropyForward& a = b.forward;
  check_targets(a);
  visit_float(a.x.dtype(), "linear_cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    bool add = b.dweight.accumulates();
    for_each_chunk<T>(a, ctx, [&](const Tensor& x, const Tensor& logits, std::int64_t first) {
      for_each_row(logits, [&](std::int64_t i) {
        row_gradient(b, logits.data<T>() + i * logits.size(1), first + i);
      });
      if (b.dx.wanted()) {
        const Tensor dx = b.dx.tensor.slice(0, first, first + x.size(0));
        krait::gemm({.a = logits, .b = a.weight, .c = dx, .accumulate = b.dx.accumulates()}, ctx);
      }
      if (b.dweight.wanted()) {
        krait::gemm(
            {.a = logits, .b = x, .c = b.dweight.tensor, .transpose_a = true, .accumulate = add},
            ctx);
        add = true;
      }
    });
    if (b.dweight.wanted() && !add)
      krait::fill({.y = b.dweight.tensor}, ctx);  // there were no rows
  });
}

}  // namespace krait::cpu
