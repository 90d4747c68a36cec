#include "layers/basic/embedding.h"

#include "autograd/operations/embedding.h"
#include "layers/basic/initialise.h"

namespace krait {

Embedding::Embedding(const Shape& shape, double standard_deviation, DType dtype,
                     std::optional<DType> compute)
    : dtype_(dtype),
      weight_(add_parameter(
          {.name = "weight", .initialise = normal_value(standard_deviation), .compute = compute},
          shape, dtype)) {}

Variable Embedding::forward(const Tensor& ids) const {
  return embedding(ids, weight_, dtype_);
}

}  // namespace krait
