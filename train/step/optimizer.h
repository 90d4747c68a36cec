// AdamW over all parameters, with gradient clipping.
#pragma once
#include <cstdint>

#include "train/step/parameter_arena.h"
#include "train/step/step_scalars.h"

namespace krait {

struct OptimizerOptions {
  double lr = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;
};

/// AdamW with gradient clipping over a ParameterArena (formula in kernels/adamw.h). Norm weights,
/// biases, A_log and D are not decayed. The moments have the parameters' dtype. On a GPU nothing
/// here waits for the device.
class Optimizer {
 public:
  Optimizer(const ParameterArena& arena, const OptimizerOptions& config);

  /// The l2 norm (1) of all gradients, before clipping; the next call overwrites it.
  const Tensor& gradient_norm();
  /// From the first `figure` (1) on that is not finite, and likewise from the first gradient norm,
  /// update() changes nothing any more.
  void require_finite(const Tensor& figure);
  /// Updates the parameters (and their copy in the compute dtype) from the gradients that
  /// gradient_norm() measured, scaled down to clip_norm where they exceed it, with the number and
  /// the learning rate in `step`.
  void update(const StepScalars& step);

  const Tensor& first_moment() const { return m_; }
  const Tensor& second_moment() const { return v_; }

 private:
  const ParameterArena& arena_;
  OptimizerOptions config_;
  Tensor m_, v_;
  Tensor norm_, clip_;  // (1), on the device
  Tensor health_;       // 0, or NaN after a figure that was not finite
};

}  // namespace krait
