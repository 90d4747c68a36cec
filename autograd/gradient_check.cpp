#include "autograd/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "core/random.h"

namespace krait {
namespace {

constexpr double kStep = 1e-6;  // truncation error ~ step^2, rounding ~ 1e-16 / step: both ~1e-10

Tensor uneven_weights(const Shape& shape, std::uint32_t stream) {
  const RandomStream random{.seed = 2718, .stream = stream};
  Tensor w = Tensor::empty(shape, DType::F64);
  for (std::int64_t i = 0; i < w.numel(); ++i) {
    w.data<double>()[i] = 2 * random.uniform(static_cast<std::uint64_t>(i)) - 1;
  }
  return w;
}

double weighted_sum(const std::vector<Variable>& outputs) {
  double sum = 0;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].defined()) continue;
    const Tensor y = dense(outputs[k].value());
    const Tensor w = uneven_weights(y.shape(), static_cast<std::uint32_t>(k));
    for (std::int64_t i = 0; i < y.numel(); ++i) sum += w.data<double>()[i] * y.data<double>()[i];
  }
  return sum;
}

void run_backward(const std::function<std::vector<Variable>()>& function) {
  const std::vector<Variable> outputs = function();
  std::vector<Root> roots;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].requires_grad()) continue;
    roots.push_back(
        {outputs[k], uneven_weights(outputs[k].shape(), static_cast<std::uint32_t>(k))});
  }
  backward(roots);
}

}  // namespace

GradientCheck check_gradients(const std::function<std::vector<Variable>()>& function,
                              const std::vector<Variable>& inputs) {
  for (const Variable& v : inputs) v.clear_grad();
  run_backward(function);
  const NoGradScope no_grad;
  GradientCheck result;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& value = inputs[k].value();
    KRAIT_REQUIRE(value.dtype() == DType::F64 && value.is_contiguous() && inputs[k].is_leaf(),
                  "[check_gradients] input ", k, " must be a contiguous f64 leaf.");
    KRAIT_REQUIRE(inputs[k].grad().defined(), "[check_gradients] input ", k,
                  " received no gradient.");
    for (std::int64_t i = 0; i < value.numel(); ++i) {
      double& x = value.data<double>()[i];
      const double keep = x;
      x = keep + kStep;
      const double up = weighted_sum(function());
      x = keep - kStep;
      const double down = weighted_sum(function());
      x = keep;
      const double numeric = (up - down) / (2 * kStep);
      const double analytic = inputs[k].grad().data<double>()[i];
      const double error = std::abs(analytic - numeric) / std::max(1.0, std::abs(numeric));
      ++result.elements;
      if (error <= result.worst) continue;  // a NaN passes this and is kept
      result.worst = error;
      result.where =
          str("input ", k, ", element ", i, ": analytic ", analytic, ", numeric ", numeric);
    }
  }
  return result;
}

}  // namespace krait
