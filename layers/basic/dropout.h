#pragma once
#include <cstdint>

#include "autograd/variable.h"

namespace krait {

/// What one forward pass draws its random numbers from. Dropout is active only inside a scope, so
/// evaluation needs no switch. `pass` counts the micro-batches of a run: the masks are a pure
/// function of (seed, pass, layer) and come out the same when a block is recomputed or a run is
/// resumed.
class TrainingScope {
 public:
  TrainingScope(std::uint64_t seed, std::uint64_t pass);
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
