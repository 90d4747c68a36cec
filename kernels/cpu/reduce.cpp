// The elements of y (kept) and the elements summed into each (reduced) are cut into fixed blocks
// and chunks. A task makes the f64 partial results of one block and chunk; these are then combined
// in the order of the chunks.
#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"
#include "kernels/cpu/vector/strided.h"
#include "kernels/cpu/vector/sums.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kTaskWork = 1 << 16;  // elements: some 20 us
constexpr std::int64_t kColumns = 1024;      // f64 sums of a block of columns stay in the L1 cache

/// x seen as (kept, reduced).
struct Split {
  Shape kept, kept_strides, reduced, reduced_strides;

  explicit Split(const Reduce& r) {
    const Shape &x = r.x.shape(), &y = r.y.shape();
    for (int i = 0; i < x.rank(); ++i) {
      const int j = i - x.rank() + y.rank();  // the dimension of y
      const bool is_kept = j >= 0 && y[j] == x[i];
      (is_kept ? kept : reduced).push_back(x[i]);
      (is_kept ? kept_strides : reduced_strides).push_back(r.x.strides()[i]);
    }
  }
};

struct Sum {
  static constexpr double kEmpty = 0;
  static double combine(double a, double b) { return a + b; }
  template <class T>
  static double run(const T* x, std::int64_t step, std::int64_t count) {
    if (step == 1) return lane_sum(count, [=](std::int64_t i) { return x[i]; });
    return lane_sum(count, [=](std::int64_t i) { return x[i * step]; });
  }
};
struct Max {
  static constexpr double kEmpty = -std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return a > b || a != a ? a : b; }
  template <class T>
  static double run(const T* x, std::int64_t step, std::int64_t count) {
    if (step == 1) return static_cast<double>(lane_max(x, count));
    double max = kEmpty;
    for (std::int64_t i = 0; i < count; ++i) max = combine(max, static_cast<double>(x[i * step]));
    return max;
  }
};

template <class T, class Op>
class Reduction {
 public:
  explicit Reduction(const Reduce& args)
      : args_(args),
        split_(args),
        kept_(split_.kept, {split_.kept_strides}),
        reduced_(split_.reduced, {split_.reduced_strides}) {}

  void run(const ExecutionContext& ctx) const {
    const std::int64_t count = kept_.numel(), depth = reduced_.numel();
    if (count == 0) return;
    // Along the reduced dimension when it is the one with neighbours in memory, else across it.
    const bool along = count == 1 || reduced_.step(0) < kept_.step(0);
    const std::int64_t chunk =
        along ? std::min(depth, kTaskWork)
              : std::max<std::int64_t>(1, kTaskWork / std::min(count, kColumns));
    const std::int64_t block =
        along ? std::max<std::int64_t>(1, kTaskWork / std::max<std::int64_t>(1, depth)) : kColumns;
    const std::int64_t chunks = depth == 0 ? 0 : ceil_div(depth, chunk);
    const std::int64_t blocks = ceil_div(count, block);
    const Scratch<double> partials(chunks * count, ctx);
    parallel_for(chunks * blocks, 1, [&](auto task, auto) {
      const std::int64_t c = task / blocks, b = task % blocks;
      const Range kept{b * block, std::min(count, (b + 1) * block)};
      const Range reduced{c * chunk, std::min(depth, (c + 1) * chunk)};
      double* out = partials.data() + c * count + kept.begin;
      along ? reduce_along(kept, reduced, out) : reduce_across(kept, reduced, out);
    });
    combine(partials.data(), chunks);
  }

 private:
  struct Range {
    std::int64_t begin, end;
  };

  void reduce_along(Range kept, Range reduced, double* out) const {
    const T* x = args_.x.template data<T>();
    kept_.walk(kept.begin, kept.end, [&](const auto& at, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        const T* first = x + at[0] + i * kept_.step(0);
        double value = Op::kEmpty;
        reduced_.walk(reduced.begin, reduced.end, [&](const auto& from, std::int64_t length) {
          value = Op::combine(value, Op::run(first + from[0], reduced_.step(0), length));
        });
        *out++ = value;
      }
    });
  }

  void reduce_across(Range kept, Range reduced, double* out) const {
    const T* x = args_.x.template data<T>();
    kept_.walk(kept.begin, kept.end, [&](const auto& at, std::int64_t count) {
      std::fill_n(out, count, Op::kEmpty);
      reduced_.walk(reduced.begin, reduced.end, [&](const auto& from, std::int64_t length) {
        for (std::int64_t i = 0; i < length; ++i) {
          add_row(x + at[0] + from[0] + i * reduced_.step(0), kept_.step(0), count, out);
        }
      });
      out += count;
    });
  }

  template <class X>
  static void add_row(const X* row, std::int64_t step, std::int64_t count, double* out) {
    if (step == 1) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < count; ++j) {
        out[j] = Op::combine(out[j], static_cast<double>(row[j]));
      }
    } else {
      for (std::int64_t j = 0; j < count; ++j) {
        out[j] = Op::combine(out[j], static_cast<double>(row[j * step]));
      }
    }
  }

  void combine(const double* partials, std::int64_t chunks) const {
    const std::int64_t count = kept_.numel();
    T* y = args_.y.template data<T>();
    parallel_for(count, kColumns, [&](auto begin, auto end) {
      double values[kColumns];
      std::fill_n(values, end - begin, Op::kEmpty);
      for (std::int64_t c = 0; c < chunks; ++c) {
        add_row(partials + c * count + begin, 1, end - begin, values);
      }
      for (std::int64_t i = begin; i < end; ++i) {
        const double value = args_.scale * values[i - begin];
        y[i] = static_cast<T>(args_.accumulate ? static_cast<double>(y[i]) + value : value);
      }
    });
  }

  const Reduce& args_;
  Split split_;
  StridedRuns<1> kept_, reduced_;
};

}  // namespace

void reduce(const Reduce& args, const ExecutionContext& ctx) {
  visit_float(args.x.dtype(), "reduce", [&](auto zero) {
    using T = decltype(zero);
    if (args.op == ReduceOp::Sum) {
      Reduction<T, Sum>(args).run(ctx);
    } else {
      Reduction<T, Max>(args).run(ctx);
    }
  });
}

void l2_norm(const L2Norm& args, const ExecutionContext& ctx) {
  visit_float(args.x.dtype(), "l2_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.x.data<T>();
    const std::int64_t n = args.x.numel();
    const Scratch<double> partials(ceil_div(n, kTaskWork), ctx);
    parallel_for(n, kTaskWork, [&](auto begin, auto end) {
      partials[begin / kTaskWork] = lane_sum(end - begin, [p = x + begin](std::int64_t i) {
        return static_cast<double>(p[i]) * static_cast<double>(p[i]);
      });
    });
    double sum = 0;
    for (const double p : partials.span()) sum += p;
    *args.norm.data<T>() = static_cast<T>(std::sqrt(sum));
  });
}

void clip_scale(const ClipScale& args, const ExecutionContext&) {
  visit_float(args.norm.dtype(), "clip_scale", [&](auto zero) {
    using T = decltype(zero);
    const double norm = static_cast<double>(*args.norm.data<T>());
    double scale = args.max_norm > 0 ? std::min(1.0, args.max_norm / (norm + 1e-6)) : 1.0;
    if (!std::isfinite(norm)) scale = std::numeric_limits<double>::quiet_NaN();
    *args.scale.data<T>() = static_cast<T>(scale);
  });
}

}  // namespace krait::cpu
