// How an operation reaches its backend, and the checks that validations share.
#pragma once
#include <string_view>

#include "core/context.h"
#include "core/error.h"
#include "core/tensor.h"

/// Calls cuda::op or cpu::op by device. Without CUDA the first is never linked: a call in a
/// discarded statement needs no definition.
#define KRAIT_DISPATCH(device, op, ...)                                           \
  do {                                                                            \
    if ((device).is_cuda()) {                                                     \
      if constexpr (::krait::kCudaEnabled) {                                      \
        cuda::op(__VA_ARGS__);                                                    \
      } else {                                                                    \
        KRAIT_REQUIRE(false, "[" #op "] built without CUDA: got a CUDA tensor."); \
      }                                                                           \
    } else {                                                                      \
      cpu::op(__VA_ARGS__);                                                       \
    }                                                                             \
  } while (false)

namespace krait {

/// One tensor argument of an operation and what it has to look like.
struct Requirement {
  std::string_view op, name;
  Shape shape;
  DType dtype;
  Device device;
};

/// Throws unless `t` is defined and has the required shape, dtype and device and its last
/// dimension is dense (stride 1). Other strides are free.
void require_tensor(const Tensor& t, const Requirement& r);
/// The same, if `t` is defined.
void require_optional(const Tensor& t, const Requirement& r);
/// require_tensor, and row-major without gaps.
void require_contiguous(const Tensor& t, const Requirement& r);

}  // namespace krait
