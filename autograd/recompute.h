// Activation recomputation (gradient checkpointing; Chen et al. 2016, arXiv:1604.06174).
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "autograd/variable.h"

namespace krait {

using RecomputeFunction = std::function<std::vector<Variable>(std::span<const Variable> inputs)>;

/// function(inputs), keeping only the inputs: backward runs `function` again, with a graph, and
/// differentiates that. `function` must give the same bits each time and reach nothing that needs a
/// gradient except through `inputs` and `parameters`, the other leaves that it uses. Undefined
/// inputs and outputs stay undefined.
std::vector<Variable> recompute(const RecomputeFunction& function, std::vector<Variable> inputs,
                                std::vector<Variable> parameters);

}  // namespace krait
