// Random tensors of any size, made fast.
#pragma once
#include <cstdint>

#include "core/tensor/tensor.h"

namespace krait {

/// Random numbers are made once on the host; every tensor is a scaled copy of them from a different
/// start, repeated as often as necessary.
class RandomTensors {
 public:
  explicit RandomTensors(Device device);

  /// Uniform in [low, high); f32 or bf16.
  Tensor make(const Shape& shape, DType dtype, double low = -1, double high = 1);
  /// i32 in [0, limit), small numbers more often, as words are in a text.
  Tensor ids(const Shape& shape, std::int64_t limit) const;

 private:
  Device device_;
  Tensor block_;  // uniform in [-1, 1)
  std::int64_t turn_ = 0;
};

}  // namespace krait
