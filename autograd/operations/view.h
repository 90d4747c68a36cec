// Operations that move no data, or move it unchanged.
#pragma once
#include <cstdint>
#include <vector>

#include "autograd/variable.h"

namespace krait {

/// The same elements in another shape (see Tensor::reshape); copies when the strides ask for it.
Variable reshape(const Variable& x, const Shape& shape);
Variable transpose(const Variable& x, int dim0, int dim1);
/// Elements [begin, end) of dimension `dim`.
Variable slice(const Variable& x, int dim, std::int64_t begin, std::int64_t end);
/// Cuts dimension `dim` into consecutive pieces whose sizes add up to it. The pieces' gradients are
/// written side by side into one buffer: no copy in either direction.
std::vector<Variable> split(const Variable& x, int dim, const std::vector<std::int64_t>& sizes);
/// Broadcast to `shape` (see Tensor::expand).
Variable expand(const Variable& x, const Shape& shape);
/// The same values in another float dtype.
Variable cast(const Variable& x, DType dtype);

}  // namespace krait
