// Differentiable unary functions and broadcast arithmetic. Formulas in kernels/elementwise.h.
#pragma once
#include "autograd/variable.h"

namespace krait {

Variable neg(const Variable& x);
Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable sqrt(const Variable& x);
Variable square(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable silu(const Variable& x);
Variable softplus(const Variable& x);
Variable gelu(const Variable& x);
Variable relu(const Variable& x);

/// scale * x.
Variable scale(const Variable& x, double scale);

/// Broadcast by NumPy's rule; gradients are summed back to each operand's shape.
Variable operator+(const Variable& a, const Variable& b);
Variable operator-(const Variable& a, const Variable& b);
Variable operator*(const Variable& a, const Variable& b);
Variable operator/(const Variable& a, const Variable& b);

}  // namespace krait
