// What a run trains.
#pragma once
#include "autograd/variable.h"
#include "data/loader/batch.h"
#include "layers/module.h"

namespace krait {

/// A module and the loss that its parameters are to lower.
class Objective {
 public:
  virtual ~Objective() = default;
  virtual const Module& module() const = 0;
  /// The sum of the losses of the batch's targets (1); the caller divides by their number. The
  /// batch lies on the device of the parameters. On a GPU nothing in it waits for the device, so
  /// that a step can be recorded.
  virtual Variable loss(const Batch& batch) const = 0;
};

}  // namespace krait
