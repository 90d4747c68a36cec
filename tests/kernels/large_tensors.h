// Tensors that are too large for the host, of random numbers all the same.
#pragma once
#include "kernels/copy.h"
#include "tests/support/tensors.h"

namespace krait::testing {

/// Positions after which the numbers of a large tensor come again.
inline constexpr std::int64_t kLargeBlock = 64;

/// (1, l, ..), l a multiple of kLargeBlock: one random block over and over, and another at the end,
/// so that the end is mistaken for no other place.
inline Tensor large_tensor(const Shape& shape, DType dtype, std::uint32_t stream) {
  const Tensor t = empty(shape, dtype);
  const std::int64_t width = shape.numel() / shape[1], blocks = shape[1] / kLargeBlock;
  const Tensor as_blocks = t.reshape({blocks, kLargeBlock, width});
  const auto block = [&](std::uint32_t s) {
    return random_tensor({1, kLargeBlock, width}, dtype, s);
  };
  copy({.x = block(stream).expand(as_blocks.shape()), .y = as_blocks}, current_context());
  copy({.x = block(stream + 1000), .y = as_blocks.slice(0, blocks - 1, blocks)}, current_context());
  return t;
}

}  // namespace krait::testing
