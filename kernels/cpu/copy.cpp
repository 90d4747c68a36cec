#include "kernels/copy.h"

#include <type_traits>

#include "core/system/parallel.h"
#include "kernels/cpu/vector/strided.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements: some microseconds of work

template <class F>
void visit_copyable(DType t, F&& f) {
  switch (t) {
    case DType::F32:
      return f(float{});
    case DType::F64:
      return f(double{});
    case DType::BF16:
      return f(BFloat16{});
    case DType::I32:
      return f(std::int32_t{});
    case DType::I64:
      return f(std::int64_t{});
    case DType::U8:
      return f(std::uint8_t{});
  }
}

template <class T>
inline constexpr bool is_float = !std::is_integral_v<T>;

/// One run. The arithmetic is f64 if either side is, else f32.
template <class X, class Y>
void copy_run(const X* x, std::int64_t dx, Y* y, std::int64_t dy, std::int64_t count,
              const Copy& c) {
  const auto each = [&](auto&& f) {
    if (dx == 1 && dy == 1) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < count; ++i) f(x[i], y[i]);
    } else {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < count; ++i) f(x[i * dx], y[i * dy]);
    }
  };
  if constexpr (is_float<X>) {
    constexpr bool wide = std::is_same_v<X, double> || std::is_same_v<Y, double>;
    using T = std::conditional_t<wide, double, float>;
    const T scale = static_cast<T>(c.scale);
    const auto as = [](auto v) {
      if constexpr (std::is_same_v<decltype(v), BFloat16>) {
        return static_cast<T>(static_cast<float>(v));
      } else {
        return static_cast<T>(v);
      }
    };
    if (c.accumulate) {
      each([&](const X& from, Y& to) { to = Y(as(to) + scale * as(from)); });
    } else if (c.scale != 1) {
      each([&](const X& from, Y& to) { to = Y(scale * as(from)); });
    } else if constexpr (!std::is_same_v<X, Y>) {
      each([&](const X& from, Y& to) { to = Y(as(from)); });
    } else {
      each([](const X& from, Y& to) { to = from; });
    }
  } else {
    each([](const X& from, Y& to) { to = from; });
  }
}

template <class X, class Y>
void copy_as(const Copy& c) {
  const StridedRuns<2> runs(c.x.shape(), {c.x.strides(), c.y.strides()});
  const X* x = c.x.data<X>();
  Y* y = c.y.data<Y>();
  parallel_for(runs.numel(), kGrain, [&](auto begin, auto end) {
    runs.walk(begin, end, [&](const auto& at, std::int64_t count) {
      copy_run(x + at[0], runs.step(0), y + at[1], runs.step(1), count, c);
    });
  });
}

}  // namespace

void copy(const Copy& c, const ExecutionContext&) {
  visit_copyable(c.x.dtype(), [&](auto from) {
    using X = decltype(from);
    if constexpr (is_float<X>) {
      visit_copyable(c.y.dtype(), [&](auto to) {
        using Y = decltype(to);
        if constexpr (is_float<Y>) copy_as<X, Y>(c);
      });
    } else {
      copy_as<X, X>(c);
    }
  });
}

void fill(const Fill& f, const ExecutionContext&) {
  visit_copyable(f.y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T value;
    if constexpr (std::is_same_v<T, BFloat16>) {
      value = BFloat16(static_cast<float>(f.value));
    } else {
      value = static_cast<T>(f.value);
    }
    const StridedRuns<1> runs(f.y.shape(), {f.y.strides()});
    T* y = f.y.data<T>();
    parallel_for(runs.numel(), kGrain, [&](auto begin, auto end) {
      runs.walk(begin, end, [&](const auto& at, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) y[at[0] + i * runs.step(0)] = value;
      });
    });
  });
}

}  // namespace krait::cpu
