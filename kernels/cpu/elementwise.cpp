#include "kernels/elementwise.h"

#include <cmath>

#include "core/system/parallel.h"
#include "kernels/cpu/vector/elementary.h"
#include "kernels/cpu/vector/strided.h"
#include "kernels/visit_unary.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // elements: some microseconds of work

/// e / (1 + e)^2 for e = exp(-|x|): the derivative of the sigmoid, without cancellation.
template <class T>
T sigmoid_slope(T x) {
  const T e = exp(-std::abs(x));
  return e / ((1 + e) * (1 + e));
}
template <class T>
T sigmoid(T x) {
  return 1 / (1 + exp(-x));
}

/// The functions: value(x), and slope(x) = value'(x).
struct Functions {
  struct Neg {
    static auto value(auto x) { return -x; }
    static auto slope(auto x) { return decltype(x)(-1); }
  };
  struct Exp {
    static auto value(auto x) { return exp(x); }
    static auto slope(auto x) { return exp(x); }
  };
  struct Log {
    static auto value(auto x) { return log(x); }
    static auto slope(auto x) { return 1 / x; }
  };
  struct Sqrt {
    static auto value(auto x) { return std::sqrt(x); }
    static auto slope(auto x) { return decltype(x)(0.5) / std::sqrt(x); }
  };
  struct Square {
    static auto value(auto x) { return x * x; }
    static auto slope(auto x) { return x + x; }
  };
  struct Tanh {
    static auto value(auto x) { return tanh(x); }
    static auto slope(auto x) { return 4 * sigmoid_slope(x + x); }
  };
  struct Sigmoid {
    static auto value(auto x) { return sigmoid(x); }
    static auto slope(auto x) { return sigmoid_slope(x); }
  };
  struct Silu {
    static auto value(auto x) { return x * sigmoid(x); }
    static auto slope(auto x) { return sigmoid(x) + x * sigmoid_slope(x); }
  };
  struct Softplus {
    static auto value(auto x) {
      const auto y = (x > 0 ? x : 0 * x) + log1p(exp(-std::abs(x)));
      return x > 20 ? x : y;
    }
    static auto slope(auto x) { return x > 20 ? decltype(x)(1) : sigmoid(x); }
  };
  struct Gelu {
    static auto value(auto x) { return x * normal_cdf(x); }
    static auto slope(auto x) {
      using T = decltype(x);
      const T density = T(0.3989422804014327) * exp(T(-0.5) * x * x);  // 1 / sqrt(2 pi)
      return normal_cdf(x) + x * density;
    }
  };
  struct Relu {
    static auto value(auto x) { return x < 0 ? decltype(x)(0) : x; }
    static auto slope(auto x) { return decltype(x)(x > 0 ? 1 : 0); }
  };
};

template <class F>
void visit_binary(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::Add:
      return f([](auto a, auto b) { return a + b; });
    case BinaryOp::Sub:
      return f([](auto a, auto b) { return a - b; });
    case BinaryOp::Mul:
      return f([](auto a, auto b) { return a * b; });
    case BinaryOp::Div:
      return f([](auto a, auto b) { return a / b; });
  }
}

/// y[i] = f(a[i * da], b[i * db]), with a loop of its own for each common case.
template <bool kAccumulate, class T, class F>
void binary_run(const T* a, std::int64_t da, const T* b, std::int64_t db, T* y, std::int64_t count,
                F f) {
  const auto each = [&](auto at_a, auto at_b) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) {
      const T value = f(at_a(i), at_b(i));
      y[i] = kAccumulate ? y[i] + value : value;
    }
  };
  const auto dense = [](const T* p) { return [p](std::int64_t i) { return p[i]; }; };
  const auto constant = [](const T* p) { return [v = *p](std::int64_t) { return v; }; };
  if (da == 1 && db == 1) {
    each(dense(a), dense(b));
  } else if (da == 1 && db == 0) {
    each(dense(a), constant(b));
  } else if (da == 0 && db == 1) {
    each(constant(a), dense(b));
  } else {
    each([=](std::int64_t i) { return a[i * da]; }, [=](std::int64_t i) { return b[i * db]; });
  }
}

template <bool kAccumulate, class T, class F>
void binary(const BinaryForward& args, F f) {
  const Shape& shape = args.y.shape();
  const StridedRuns<2> runs(shape,
                            {args.a.expand(shape).strides(), args.b.expand(shape).strides()});
  const T *a = args.a.data<T>(), *b = args.b.data<T>();
  T* y = args.y.data<T>();
  parallel_for(runs.numel(), kGrain, [&](auto begin, auto end) {
    T* out = y + begin;
    runs.walk(begin, end, [&](const auto& at, std::int64_t count) {
      binary_run<kAccumulate>(a + at[0], runs.step(0), b + at[1], runs.step(1), out, count, f);
      out += count;
    });
  });
}

}  // namespace

void unary_forward(const UnaryForward& args, const ExecutionContext&) {
  visit_float(args.x.dtype(), "unary_forward", [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.x.data<T>();
    T* y = args.y.data<T>();
    visit_unary<Functions>(args.op, [&]<class Op>(Op) {
      parallel_for(args.x.numel(), kGrain, [&](auto begin, auto end) {
#pragma GCC ivdep
        for (std::int64_t i = begin; i < end; ++i) y[i] = Op::value(x[i]);
      });
    });
  });
}

void unary_backward(const UnaryBackward& args, const ExecutionContext&) {
  visit_float(args.x.dtype(), "unary_backward", [&](auto zero) {
    using T = decltype(zero);
    const T *x = args.x.data<T>(), *dy = args.dy.data<T>();
    T* dx = args.dx.tensor.data<T>();
    visit_unary<Functions>(args.op, [&]<class Op>(Op) {
      parallel_for(args.x.numel(), kGrain, [&](auto begin, auto end) {
        if (args.dx.accumulates()) {
#pragma GCC ivdep
          for (std::int64_t i = begin; i < end; ++i) dx[i] += dy[i] * Op::slope(x[i]);
        } else {
#pragma GCC ivdep
          for (std::int64_t i = begin; i < end; ++i) dx[i] = dy[i] * Op::slope(x[i]);
        }
      });
    });
  });
}

void binary_forward(const BinaryForward& args, const ExecutionContext&) {
  visit_float(args.y.dtype(), "binary_forward", [&](auto zero) {
    using T = decltype(zero);
    visit_binary(args.op, [&](auto f) {
      if (args.accumulate) {
        binary<true, T>(args, f);
      } else {
        binary<false, T>(args, f);
      }
    });
  });
}

}  // namespace krait::cpu
