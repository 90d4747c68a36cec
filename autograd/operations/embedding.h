// Differentiable table lookup (kernels/embedding.h).
#pragma once
#include <optional>

#include "autograd/variable.h"

namespace krait {

/// Rows of `table` (v, d) picked by `ids` (...) i32: (..., d), of dtype `output_dtype`: the table's
/// own, which is the default, or the one that it is summed in.
Variable embedding(const Tensor& ids, const Variable& table,
                   std::optional<DType> output_dtype = {});

}  // namespace krait
