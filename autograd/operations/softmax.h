// Differentiable softmax (kernels/softmax.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// Over the last dimension; formulas in kernels/softmax.h.
Variable softmax(const Variable& x);
Variable log_softmax(const Variable& x);

}  // namespace krait
