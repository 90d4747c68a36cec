#pragma once
#include <string>

#include "core/tensor/tensor.h"

namespace krait {

/// A tensor and the name that it has in files.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace krait
