// Dropout, and the scope that turns it on.
#pragma once
#include <cstdint>

#include "autograd/variable.h"

namespace krait {

/// The random numbers of one forward pass. Dropout is active only inside a scope, so evaluation
/// needs no switch. Passes are counted over the micro-batches of a run: the masks are a pure
/// function of (seed, pass, layer), so they are the same when a block is recomputed or a run is
/// resumed.
class TrainingScope {
 public:
  /// The number of the pass is `pass`, plus what `base` (1) i64 holds, if it is given: that is read
  /// on the device, so that a recorded step draws new masks each time. It must be on the device of
  /// the model, and must not change until the backward pass is done.
  TrainingScope(std::uint64_t seed, std::uint64_t pass, Tensor base = {});
  ~TrainingScope();
  TrainingScope(const TrainingScope&) = delete;
  TrainingScope& operator=(const TrainingScope&) = delete;
};

/// Dropout with probability p inside a TrainingScope, the identity outside.
class Dropout {
 public:
  /// `site` tells the dropout layers of a model apart.
  Dropout(double p, std::uint32_t site) : p_(p), site_(site) {}
  Variable forward(const Variable& x) const;

 private:
  double p_;
  std::uint32_t site_;
};

}  // namespace krait
