#pragma once
#include <cstdint>

#include "core/target.h"
#include "core/tensor/tensor.h"

namespace krait {

/// Samples in rows. All tensors are i32 of shape (batch, length) on the CPU.
struct Batch {
  Tensor inputs;
  Tensor targets;
  Tensor sequence_ids;             // undefined when the samples have none
  std::int64_t n_targets = 0;      // that are not ignored
  std::uint64_t first_sample = 0;  // its number in the run
};

}  // namespace krait
