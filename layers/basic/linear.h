// Linear layers.
#pragma once
#include "layers/module.h"

namespace krait {

struct LinearConfig {
  std::int64_t inputs = 0, outputs = 0;
  bool bias = false;
  DType dtype = DType::F32;
  std::optional<DType> compute = {};  // of the product; default: dtype
  Initialiser weight_value = {};      // default: fan_in_value(inputs)
  Initialiser bias_value = {};        // default: 0
};

/// y = x weight^T (+ bias): weight (outputs, inputs), bias (outputs), which stays in dtype.
class Linear : public Module {
 public:
  explicit Linear(const LinearConfig& config);
  /// x (..., inputs) to (..., outputs).
  Variable forward(const Variable& x) const;
  const Variable& weight() const { return weight_; }
  const Variable& bias() const { return bias_; }

 private:
  Variable weight_, bias_;
};

}  // namespace krait
