// Where backward kernels put gradients.
#pragma once
#include <cstdint>

#include "core/tensor/tensor.h"

namespace krait {

/// What a backward kernel does with a gradient: nothing, write it, or add it to the tensor.
enum class GradientMode : std::uint8_t { Ignore, Overwrite, Accumulate };

/// An output of a backward kernel: where the gradient goes and how. The tensor is shaped like the
/// input that it belongs to.
struct Gradient {
  Tensor tensor;
  GradientMode mode = GradientMode::Ignore;
  bool wanted() const { return mode != GradientMode::Ignore; }
  bool accumulates() const { return mode == GradientMode::Accumulate; }
};

}  // namespace krait
