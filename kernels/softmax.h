// Softmax and log-softmax over the last dimension.
#pragma once
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// y = exp(x - max) / sum exp(x - max), or its logarithm when `log`. Contiguous, alike in dtype
/// (CPU: f32 or f64; CUDA: f32 or bf16); y may be x. Sums over a row are f64.
struct SoftmaxForward {
  Tensor x;  // in  (..., n), n >= 1
  Tensor y;  // out (..., n)
  bool log = false;
};
/// softmax: dx = y (dy - sum y dy); log: dx = dy - exp(y) sum dy.
struct SoftmaxBackward {
  Tensor y;   // in, as forward gave it
  Tensor dy;  // in
  bool log = false;
  Gradient dx;
};
void softmax_forward(const SoftmaxForward& args, const ExecutionContext& ctx);
void softmax_backward(const SoftmaxBackward& args, const ExecutionContext& ctx);

namespace cpu {
void softmax_forward(const SoftmaxForward& args, const ExecutionContext& ctx);
void softmax_backward(const SoftmaxBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void softmax_forward(const SoftmaxForward& args, const ExecutionContext& ctx);
void softmax_backward(const SoftmaxBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
