// Differentiable matrix products (kernels/gemm.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// y[..., n] = sum_k x[..., k] weight[n, k] (+ bias[n]). x may be a slice of a wider array.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});
/// a (m, k) times b (k, n).
Variable matmul(const Variable& a, const Variable& b);

}  // namespace krait
