// Differentiable output layer with its loss (kernels/linear_cross_entropy.h).
#pragma once
#include "autograd/variable.h"
#include "kernels/linear_cross_entropy.h"

namespace krait {

struct CrossEntropyOptions {
  double label_smoothing = 0;
  double z_loss = 0;
};

/// The loss of each row (rows): cross-entropy of softmax(weight x) at `targets` (rows) i32, 0 where
/// the target is kIgnoreIndex. The logits are never held whole (kernels/linear_cross_entropy.h).
Variable linear_cross_entropy(const Variable& x, const Variable& weight, const Tensor& targets,
                              const CrossEntropyOptions& options = {});

/// How each row predicts its target.
struct TargetScores {
  Tensor losses;   // (rows): -ln p(target), 0 where the target is kIgnoreIndex
  Tensor correct;  // (rows) u8: 1 where the target has the largest logit
};
/// The same without a graph. x (rows, d), contiguous.
TargetScores score_targets(const Tensor& x, const Tensor& weight, const Tensor& targets);

}  // namespace krait
