// Rows of tensors with any strides, for kernels that work row by row.
#pragma once
#include <cstdint>

#include "core/tensor/tensor.h"

namespace krait::cpu {

/// (b, l, ...) seen as rows that start at strided places. Null where the tensor is undefined.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, time_stride = 0;

  Rows() = default;
  explicit Rows(const Tensor& t) {
    if (!t.defined()) return;
    data = t.data<T>();
    batch_stride = t.stride(0);
    time_stride = t.stride(1);
  }
  T* row(std::int64_t b, std::int64_t t) const { return data + b * batch_stride + t * time_stride; }
  explicit operator bool() const { return data != nullptr; }
};

}  // namespace krait::cpu
