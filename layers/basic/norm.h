// Normalisation layers.
#pragma once
#include "autograd/operations/norm.h"
#include "layers/module.h"

namespace krait {

/// Normalisation over the last dimension: weight (d) initially 1; layer norm also has bias (d),
/// initially 0, both of `dtype`. The result is of `output`. Formulas in kernels/norm.h.
class Norm : public Module {
 public:
  Norm(NormKind kind, std::int64_t d, double eps, DType dtype, std::optional<DType> output = {});
  Variable forward(const Variable& x) const;
  /// norm(x + residual) and x + residual, in one pass.
  ResidualNorm forward(const Variable& x, const Variable& residual) const;

 private:
  NormParameters parameters_;
};

}  // namespace krait
