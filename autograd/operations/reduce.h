// Differentiable sums and means (kernels/reduce.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// Sum over the dimensions along which `shape` (which broadcasts to x's shape) is repeated.
Variable sum_to(const Variable& x, const Shape& shape);
/// Sum of all elements, shape (1).
Variable sum(const Variable& x);
/// Mean of all elements, shape (1).
Variable mean(const Variable& x);

}  // namespace krait
