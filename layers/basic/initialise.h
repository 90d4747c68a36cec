// Initial values of parameters, as in the official Mamba code.
#pragma once
#include <cstdint>

#include "layers/module.h"

namespace krait {

Initialiser constant_value(double value);
/// Uniform in [-bound, bound).
Initialiser uniform_value(double bound);
/// Normal with mean 0.
Initialiser normal_value(double standard_deviation);
/// PyTorch's default of a linear layer, kaiming_uniform(a = sqrt 5): uniform within 1/sqrt(fan_in),
/// times `gain`.
Initialiser fan_in_value(std::int64_t fan_in, double gain = 1);

}  // namespace krait
