// Differentiable normalisation (kernels/norm.h).
#pragma once
#include <optional>

#include "autograd/variable.h"
#include "kernels/norm.h"

namespace krait {

/// The learned part and the constants of a normalisation.
struct NormParameters {
  NormKind kind = NormKind::Rms;
  Variable weight;  // (d)
  Variable bias;    // (d), optional
  double eps = 1e-5;
  std::optional<DType> output_dtype;  // of the normalised values; by default that of x
};

/// Normalises x over its last dimension (formulas and dtypes in kernels/norm.h).
Variable norm(const Variable& x, const NormParameters& parameters);

/// x / sqrt(mean(x^2) + eps) over the last dimension, in x's dtype: an RMSNorm that learns nothing.
Variable unit_rms_norm(const Variable& x, double eps);

struct ResidualNorm {
  Variable y;         // norm(x + residual)
  Variable residual;  // x + residual, in the dtype that x is summed in
};
/// The pre-norm step of a residual block, in one pass.
ResidualNorm residual_norm(const Variable& x, const Variable& residual,
                           const NormParameters& parameters);

}  // namespace krait
