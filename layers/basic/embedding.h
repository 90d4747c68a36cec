// Token embeddings.
#pragma once
#include "layers/module.h"

namespace krait {

/// A table of vectors: weight (v, d), initially normal with the given standard deviation. It is
/// read in `compute`; the vectors are of `dtype`.
class Embedding : public Module {
 public:
  Embedding(const Shape& shape, double standard_deviation, DType dtype,
            std::optional<DType> compute = {});
  /// ids (...) i32 to (..., d).
  Variable forward(const Tensor& ids) const;
  const Variable& weight() const { return weight_; }

 private:
  DType dtype_;
  Variable weight_;
};

}  // namespace krait
