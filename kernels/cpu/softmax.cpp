#include "kernels/softmax.h"

#include <algorithm>

#include "core/system/parallel.h"
#include "kernels/cpu/vector/elementary.h"
#include "kernels/cpu/vector/sums.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kTaskWork = 1 << 14;  // elements: some 20 us

/// Calls f(row) for the rows of n elements of `t`.
template <class F>
void for_each_row(const Tensor& t, F&& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, kTaskWork / t.size(-1));
  parallel_for(t.shape().rows(), grain, [&](auto begin, auto end) {
    for (std::int64_t row = begin; row < end; ++row) f(row);
  });
}

template <class T>
void softmax_row(const T* x, T* y, std::int64_t n, T max) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = exp(x[i] - max);
  const T scale = static_cast<T>(1 / lane_sum(n, [=](std::int64_t i) { return y[i]; }));
  for (std::int64_t i = 0; i < n; ++i) y[i] *= scale;
}

template <class T>
void log_softmax_row(const T* x, T* y, std::int64_t n, T max) {
  const double sum = lane_sum(n, [=](std::int64_t i) { return exp(x[i] - max); });
  const T log_sum = static_cast<T>(std::log(sum));
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - max) - log_sum;
}

}  // namespace

void softmax_forward(const SoftmaxForward& args, const ExecutionContext&) {
  visit_float(args.x.dtype(), "softmax_forward", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = args.x.size(-1);
    for_each_row(args.x, [&](std::int64_t row) {
      const T* x = args.x.data<T>() + row * n;
      T* y = args.y.data<T>() + row * n;
      const T max = lane_max(x, n);
      args.log ? log_softmax_row(x, y, n, max) : softmax_row(x, y, n, max);
    });
  });
}

void softmax_backward(const SoftmaxBackward& args, const ExecutionContext&) {
  visit_float(args.y.dtype(), "softmax_backward", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t n = args.y.size(-1);
    const bool of_log = args.log;
    for_each_row(args.y, [&](std::int64_t row) {
      const T *y = args.y.data<T>() + row * n, *dy = args.dy.data<T>() + row * n;
      T* dx = args.dx.tensor.data<T>() + row * n;
      const T sum = static_cast<T>(
          lane_sum(n, [=](std::int64_t i) { return of_log ? dy[i] : y[i] * dy[i]; }));
      const auto write = [&](auto value) {
        if (args.dx.accumulates()) {
#pragma GCC ivdep
          for (std::int64_t i = 0; i < n; ++i) dx[i] += value(i);
        } else {
#pragma GCC ivdep
          for (std::int64_t i = 0; i < n; ++i) dx[i] = value(i);
        }
      };
      if (of_log) {
        write([=](std::int64_t i) { return dy[i] - exp(y[i]) * sum; });
      } else {
        write([=](std::int64_t i) { return y[i] * (dy[i] - sum); });
      }
    });
  });
}

}  // namespace krait::cpu
