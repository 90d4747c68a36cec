// Reductions over any set of dimensions, in a fixed order.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "core/tensor/tensor.h"

namespace krait {

enum class ReduceOp : std::uint8_t { Sum, Max };

///   y = scale * reduce(x)  (+ y when `accumulate`, Sum only)
/// y's shape broadcasts to x's shape, and the dimensions along which it is repeated are the ones
/// reduced: x (2, 3, 4) to y (3, 1) sums over the first and last. So it is also the backward of
/// every broadcast. x has any strides, y is contiguous; alike in dtype (CPU: f32 or f64; CUDA: f32
/// or bf16). Sums are carried in f64 (bf16: neighbours are added in f32 first), in an order that
/// depends on shape, strides and alignment only.
/// Max of an empty set throws.
struct Reduce {
  ReduceOp op = ReduceOp::Sum;
  Tensor x;  // in
  Tensor y;  // out
  double scale = 1;
  bool accumulate = false;
};
void reduce(const Reduce& args, const ExecutionContext& ctx);

/// norm = sqrt(sum x^2) of a contiguous x, summed in f64 in a fixed order.
struct L2Norm {
  Tensor x;     // in  any shape; CPU: f32 or f64, CUDA: f32 or bf16
  Tensor norm;  // out (1), dtype of x
};
void l2_norm(const L2Norm& args, const ExecutionContext& ctx);

/// scale = min(1, max_norm / (norm + 1e-6)), the factor of gradient clipping (as PyTorch's
/// clip_grad_norm_); 1 when max_norm is 0. A norm that is not finite gives a NaN scale.
struct ClipScale {
  Tensor norm;   // in  (1)
  Tensor scale;  // out (1)
  double max_norm = 0;
};
void clip_scale(const ClipScale& args, const ExecutionContext& ctx);

namespace cpu {
void reduce(const Reduce& args, const ExecutionContext& ctx);
void l2_norm(const L2Norm& args, const ExecutionContext& ctx);
void clip_scale(const ClipScale& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void reduce(const Reduce& args, const ExecutionContext& ctx);
void l2_norm(const L2Norm& args, const ExecutionContext& ctx);
void clip_scale(const ClipScale& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
