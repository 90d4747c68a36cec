// How an operation reaches its backend, and the checks that validations share.
#pragma once
#include <string_view>

#include "core/error.h"
#include "core/stream/context.h"
#include "core/tensor/tensor.h"
#include "kernels/contract/gradient.h"

/// Calls cuda::op or cpu::op with (args, ctx) by device. A context of another device is replaced by
/// the context of the tensors' device, so that operations on host tensors work while a GPU is the
/// current device. Without CUDA, cuda::op is never linked, because a call in a discarded statement
/// needs no definition.
#define KRAIT_DISPATCH(on_device, op, op_args, op_ctx)                                         \
  do {                                                                                         \
    const ::krait::Device krait_device = (on_device);                                          \
    const ::krait::ExecutionContext krait_context =                                            \
        (op_ctx).device == krait_device ? (op_ctx) : ::krait::execution_context(krait_device); \
    if (krait_device.is_cuda()) {                                                              \
      if constexpr (::krait::kCudaEnabled) {                                                   \
        cuda::op(op_args, krait_context);                                                      \
      } else {                                                                                 \
        KRAIT_REQUIRE(false, "[" #op "] built without CUDA: got a CUDA tensor.");              \
      }                                                                                        \
    } else {                                                                                   \
      cpu::op(op_args, krait_context);                                                         \
    }                                                                                          \
  } while (false)

namespace krait {

/// One tensor argument of an operation and the requirements on it.
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
/// The same, if `t` is defined.
void require_optional_contiguous(const Tensor& t, const Requirement& r);
/// require_contiguous, with the shape, dtype and device of `like`.
void require_like(const Tensor& t, std::string_view op, std::string_view name, const Tensor& like);

/// If the gradient is wanted: throws unless `input`, which it belongs to, is given, and the
/// gradient's tensor has its shape, dtype and device and a dense last dimension.
void require_gradient(const Gradient& gradient, std::string_view op, std::string_view name,
                      const Tensor& input);
/// The same, and row-major without gaps.
void require_contiguous_gradient(const Gradient& gradient, std::string_view op,
                                 std::string_view name, const Tensor& input);

}  // namespace krait
