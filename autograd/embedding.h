#pragma once
#include "autograd/variable.h"

namespace krait {

/// Rows of `table` (v, d) picked by `ids` (...) i32: (..., d).
Variable embedding(const Tensor& ids, const Variable& table);

}  // namespace krait
