#include "kernels/adamw.h"

#include <cmath>

#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements: some 20 us

/// The factors that are the same for all elements, worked out in f64.
template <class T>
struct Factors {
  T beta1, beta2, rest1, rest2, grad_scale, rate, decay, eps, correction;

  explicit Factors(const AdamW& a) {
    const double step = static_cast<double>(*a.step.data<std::int64_t>());
    const double lr = static_cast<double>(*a.learning_rate.data<T>());
    beta1 = static_cast<T>(a.beta1);
    beta2 = static_cast<T>(a.beta2);
    rest1 = static_cast<T>(1 - a.beta1);
    rest2 = static_cast<T>(1 - a.beta2);
    grad_scale = *a.grad_scale.data<T>();
    rate = static_cast<T>(lr / (1 - std::pow(a.beta1, step)));
    decay = static_cast<T>(lr * a.weight_decay);
    eps = static_cast<T>(a.eps);
    correction = static_cast<T>(1 / std::sqrt(1 - std::pow(a.beta2, step)));
  }
};

}  // namespace

void adamw(const AdamW& args, const ExecutionContext&) {
  visit_float(args.param.dtype(), "adamw", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t step = *args.step.data<std::int64_t>();
    KRAIT_REQUIRE(step >= 1, "[adamw] step is counted from 1, got ", step, ".");
    const Factors<T> f(args);
    if (std::isnan(f.grad_scale)) return;
    T *param = args.param.data<T>(), *m = args.m.data<T>(), *v = args.v.data<T>();
    const T* grad = args.grad.data<T>();
    BFloat16* compute = args.compute.defined() ? args.compute.data<BFloat16>() : nullptr;
    parallel_for(args.param.numel(), kGrain, [&](auto begin, auto end) {
      const Factors<T> c = f;  // a copy that the stores below cannot change
#pragma GCC ivdep
      for (std::int64_t i = begin; i < end; ++i) {
        const T g = c.grad_scale * grad[i];
        m[i] = c.beta1 * m[i] + c.rest1 * g;
        v[i] = c.beta2 * v[i] + c.rest2 * g * g;
        const T denominator = std::sqrt(v[i]) * c.correction + c.eps;
        param[i] -= c.rate * m[i] / denominator + c.decay * param[i];
      }
      if (compute == nullptr) return;
      for (std::int64_t i = begin; i < end; ++i) {
        compute[i] = BFloat16(static_cast<float>(param[i]));
      }
    });
  });
}

}  // namespace krait::cpu
