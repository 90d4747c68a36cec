// Backward against central differences.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace krait {

struct GradientCheck {
  double worst = 0;           // largest |analytic - numeric| / max(1, |numeric|)
  std::string where;          // of it: "input 2, element 7: analytic ..., numeric ..."
  std::int64_t elements = 0;  // compared
};

/// Differentiates loss = sum_i <weights_i, outputs_i> for every element of every f64 leaf in
/// `inputs`, in backward and by central differences with step 1e-6. The weights are fixed random
/// numbers: a plain sum would hide transposed or permuted gradients. `function` must read the
/// inputs' current values; undefined outputs are passed over. Gradients of the inputs are replaced.
GradientCheck check_gradients(const std::function<std::vector<Variable>()>& function,
                              const std::vector<Variable>& inputs);

}  // namespace krait
