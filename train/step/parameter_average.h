// An average of the parameters over the steps of a run.
#pragma once
#include "train/step/parameter_arena.h"

namespace krait {

/// An exponential moving average of the parameters: average = decay average + (1 - decay) value.
class ParameterAverage {
 public:
  /// Starts at the parameters' present values.
  ParameterAverage(const ParameterArena& arena, double decay);
  /// Starts again at the parameters' present values.
  void restart();
  void update();
  const Tensor& average() const { return average_; }

 private:
  const ParameterArena& arena_;
  double decay_;
  Tensor average_;
};

}  // namespace krait
