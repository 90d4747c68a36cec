// Reverse mode.
#pragma once
#include <span>

#include "autograd/variable.h"

namespace krait {

/// A variable to differentiate, and the gradient of the loss with respect to it.
struct Root {
  Variable variable;
  Tensor grad;
};

/// Adds to every leaf that requires it the gradient of sum_i <roots[i].variable, roots[i].grad>.
/// Nodes are visited in descending order of creation: without recursion, and in the same order on
/// every run. Saved tensors and intermediate gradients are freed on the way, so a graph can be
/// walked once.
void backward(std::span<const Root> roots);
/// The same for one root; without `grad` the variable must have one element, and its gradient is 1.
void backward(const Variable& root, const Tensor& grad = {});

}  // namespace krait
