// A row at a time, which stays in the L1 cache between the passes over it: x is read from memory
// once. Backward gives each fixed chunk of rows its own partial dweight and dbias.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"
#include "kernels/cpu/vector/sums.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kTaskWork = 1 << 14;  // elements: some 10 us

std::int64_t rows_per_task(std::int64_t d) {
  return std::max<std::int64_t>(1, kTaskWork / d);
}

template <class T>
const T* optional(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

template <class T>
struct Forward {
  const NormForward& args;
  std::int64_t d = args.x.size(-1);
  const T *x = args.x.data<T>(), *residual = optional<T>(args.residual);
  const T *weight = args.weight.data<T>(), *bias = optional<T>(args.bias);
  T *y = args.y.data<T>(), *inverse_std = args.inverse_std.data<T>();

  void row(std::int64_t i) const {
    const T* r = x + i * d;
    if (residual) r = add_residual(i);
    T mean = 0;
    if (args.kind == NormKind::Layer) {
      mean = static_cast<T>(lane_sum(d, [=](std::int64_t j) { return r[j]; }) / d);
      args.mean.data<T>()[i] = mean;
    }
    const double squares = lane_sum(d, [=](std::int64_t j) {
      const T c = r[j] - mean;
      return c * c;
    });
    const T scale = static_cast<T>(1 / std::sqrt(squares / d + args.eps));
    inverse_std[i] = scale;
    T* out = y + i * d;
    if (bias) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) out[j] = (r[j] - mean) * scale * weight[j] + bias[j];
    } else {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) out[j] = (r[j] - mean) * scale * weight[j];
    }
  }

  const T* add_residual(std::int64_t i) const {
    T* r = args.residual_out.data<T>() + i * d;
#pragma GCC ivdep
    for (std::int64_t j = 0; j < d; ++j) r[j] = x[i * d + j] + residual[i * d + j];
    return r;
  }
};

/// With n = (r - mean) inverse_std and g = dy weight:
///   dr = inverse_std (g - mean(g) - n mean(g n)) + dresidual_out, without mean(g) for Rms.
template <class T>
struct Backward {
  const NormBackward& args;
  std::int64_t d = args.r.size(-1);
  const T *weight = args.weight.data<T>(), *extra = optional<T>(args.dresidual_out);

  void row(std::int64_t i, T* dweight, T* dbias) const {
    const T *r = args.r.data<T>() + i * d, *dy = args.dy.data<T>() + i * d;
    const T scale = args.inverse_std.data<T>()[i];
    const T mean = args.kind == NormKind::Layer ? args.mean.data<T>()[i] : T(0);
    if (args.dx.wanted() || args.dresidual.wanted()) row_dr(r, dy, mean, scale, i);
    if (dweight) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) dweight[j] += dy[j] * (r[j] - mean) * scale;
    }
    if (dbias) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) dbias[j] += dy[j];
    }
  }

  /// The gradient of r, into dx and dresidual.
  void row_dr(const T* r, const T* dy, T mean, T scale, std::int64_t i) const {
    const T* w = weight;
    const double dot =
        lane_sum(d, [=](std::int64_t j) { return dy[j] * w[j] * ((r[j] - mean) * scale); });
    const double sum = args.kind == NormKind::Layer
                           ? lane_sum(d, [=](std::int64_t j) { return dy[j] * w[j]; })
                           : 0;
    const T dot_mean = static_cast<T>(dot / d), sum_mean = static_cast<T>(sum / d);
    const auto value = [=](std::int64_t j) {
      return scale * (dy[j] * w[j] - sum_mean - (r[j] - mean) * scale * dot_mean);
    };
    if (args.dx.wanted()) write(args.dx, i, value);
    if (args.dresidual.wanted()) write(args.dresidual, i, value);
  }

  template <class F>
  void write(const Gradient& to, std::int64_t i, F value) const {
    T* out = to.tensor.data<T>() + i * d;
    const T* more = extra ? extra + i * d : nullptr;
    if (to.accumulates()) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) out[j] += value(j) + (more ? more[j] : T(0));
    } else if (more) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) out[j] = value(j) + more[j];
    } else {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < d; ++j) out[j] = value(j);
    }
  }
};

/// out (+)= the rows of partials (chunks, d) in their order.
template <class T>
void sum_partials(const Gradient& out, const T* partials, std::int64_t chunks) {
  const std::int64_t d = out.tensor.numel();
  constexpr std::int64_t kColumns = 256;
  parallel_for(d, kColumns, [&](auto begin, auto end) {
    double sums[kColumns] = {};
    for (std::int64_t c = 0; c < chunks; ++c) {
      const T* row = partials + c * d;
      for (std::int64_t j = begin; j < end; ++j) sums[j - begin] += static_cast<double>(row[j]);
    }
    T* to = out.tensor.data<T>();
    for (std::int64_t j = begin; j < end; ++j) {
      const T sum = static_cast<T>(sums[j - begin]);
      to[j] = out.accumulates() ? to[j] + sum : sum;
    }
  });
}

}  // namespace

void norm_forward(const NormForward& args, const ExecutionContext&) {
  visit_float(args.x.dtype(), "norm_forward", [&](auto zero) {
    const Forward<decltype(zero)> forward{args};
    parallel_for(args.x.shape().rows(), rows_per_task(forward.d), [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) forward.row(i);
    });
  });
}

void norm_backward(const NormBackward& args, const ExecutionContext& ctx) {
  visit_float(args.r.dtype(), "norm_backward", [&](auto zero) {
    using T = decltype(zero);
    const Backward<T> backward{args};
    const std::int64_t d = backward.d, rows = args.r.shape().rows();
    // Partial sums of at least 32 rows: their memory stays far below that of dy.
    const std::int64_t grain = std::max<std::int64_t>(32, rows_per_task(d));
    const std::int64_t chunks = ceil_div(rows, grain);
    const Scratch<T> dweights(args.dweight.wanted() ? chunks * d : 0, ctx);
    const Scratch<T> dbiases(args.dbias.wanted() ? chunks * d : 0, ctx);
    parallel_for(rows, grain, [&](auto begin, auto end) {
      const auto partial = [&](const Scratch<T>& all, const Gradient& g) -> T* {
        if (!g.wanted()) return nullptr;
        T* sums = all.data() + begin / grain * d;
        std::fill_n(sums, d, T(0));
        return sums;
      };
      T *dweight = partial(dweights, args.dweight), *dbias = partial(dbiases, args.dbias);
      for (std::int64_t i = begin; i < end; ++i) backward.row(i, dweight, dbias);
    });
    if (args.dweight.wanted()) sum_partials(args.dweight, dweights.data(), chunks);
    if (args.dbias.wanted()) sum_partials(args.dbias, dbiases.data(), chunks);
  });
}

}  // namespace krait::cpu
