// The numbers that change from step to step.
#pragma once
#include <cstdint>

#include "core/tensor/tensor.h"

namespace krait {

/// The numbers that differ between two steps of one shape, in device memory, so that a recorded
/// step reads the next ones.
class StepScalars {
 public:
  struct Values {
    std::int64_t number = 1;  // of the optimizer step, from 1
    double learning_rate = 0;
    double loss_weight = 1;  // 1 / the targets of the step
    std::int64_t pass = 0;   // of its first micro-batch: what dropout masks are numbered by
  };

  /// Scalars for parameters of `dtype` on `device`.
  StepScalars(DType dtype, Device device);
  /// Submits the new values, in the order of the current context's stream; nothing waits.
  void set(const Values& values) const;

  const Tensor& number() const { return number_; }                // (1) i64
  const Tensor& pass() const { return pass_; }                    // (1) i64
  const Tensor& learning_rate() const { return learning_rate_; }  // (1)
  const Tensor& loss_weight() const { return loss_weight_; }      // (1)

 private:
  Tensor number_, pass_, learning_rate_, loss_weight_;
};

}  // namespace krait
