// Differentiable dropout (kernels/dropout.h).
#pragma once
#include "autograd/variable.h"
#include "core/random.h"
#include "kernels/dropout.h"

namespace krait {

/// Zeroes each element with probability p and scales the rest by 1 / (1 - p). The mask is a pure
/// function of (random, offset, pass) and the position (kernels/dropout.h); nothing is saved, so
/// `pass` (1) i64, when it is given, must hold the same number until backward has run.
Variable dropout(const Variable& x, double p, const RandomStream& random, std::uint64_t offset,
                 const Tensor& pass = {});

}  // namespace krait
