// Batches of training samples.
#pragma once
#include <cstdint>

#include "core/target.h"
#include "core/tensor/tensor.h"

namespace krait {

/// Samples in rows. All tensors are i32 on the CPU.
struct Batch {
  Tensor inputs;                   // (batch, length)
  Tensor targets;                  // (batch, targets of a sample): (batch, length) or (batch, 1)
  Tensor sequence_ids;             // (batch, length); undefined when the samples have none
  std::int64_t n_targets = 0;      // targets that are not ignored
  std::uint64_t first_sample = 0;  // number of the first row in the run
};

}  // namespace krait
