#include "layers/basic/norm.h"

#include "layers/basic/initialise.h"

namespace krait {

Norm::Norm(NormKind kind, std::int64_t d, double eps, DType dtype, std::optional<DType> output) {
  parameters_.kind = kind;
  parameters_.eps = eps;
  parameters_.output_dtype = output.value_or(dtype);
  parameters_.weight = add_parameter(
      {.name = "weight", .weight_decay = false, .initialise = constant_value(1)}, {d}, dtype);
  if (kind == NormKind::Layer) {
    parameters_.bias = add_parameter(
        {.name = "bias", .weight_decay = false, .initialise = constant_value(0)}, {d}, dtype);
  }
}

Variable Norm::forward(const Variable& x) const {
  return norm(x, parameters_);
}

ResidualNorm Norm::forward(const Variable& x, const Variable& residual) const {
  return residual_norm(x, residual, parameters_);
}

}  // namespace krait
