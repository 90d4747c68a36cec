#pragma once
#include "autograd/variable.h"
#include "core/random.h"

namespace krait {

/// Zeroes each element with probability p and scales the rest by 1 / (1 - p). The mask is a pure
/// function of (random, offset) and the position (kernels/dropout.h); nothing is saved.
Variable dropout(const Variable& x, double p, const RandomStream& random, std::uint64_t offset);

}  // namespace krait
