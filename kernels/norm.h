// RMSNorm and LayerNorm over the last dimension, with the residual addition before it fused in.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "core/names.h"
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// Rms:   y = r / sqrt(mean(r^2) + eps) * weight (+ bias)        Zhang & Sennrich 2019
/// Layer: y = (r - mean(r)) / sqrt(var(r) + eps) * weight (+ bias)   Ba, Kiros & Hinton 2016
/// with r = x + residual, or r = x without a residual. var is the biased one.
enum class NormKind : std::uint8_t { Rms, Layer };
template <>
inline constexpr std::array<std::string_view, 2> kNames<NormKind>{"rms", "layer"};

/// All contiguous. x is f32, f64 (CPU) or bf16 (CUDA). `sum` is the dtype in which x is summed: f32
/// for bf16, else that of x. y has x's dtype, that of `sum`, or on CUDA bf16. A bf16 block reads
/// the previous block's bf16 output and the f32 residual stream, and writes the stream and a bf16
/// y.
struct NormForward {
  NormKind kind = NormKind::Rms;
  Tensor x;         // in  (..., d)
  Tensor residual;  // in  (..., d) sum, optional
  Tensor weight;    // in  (d) sum
  Tensor bias;      // in  (d) sum, optional
  double eps = 1e-5;
  Tensor y;             // out (..., d)
  Tensor residual_out;  // out (..., d) sum, = r; given exactly when residual is
  Tensor mean;          // out (rows) sum, Layer only: saved for backward
  Tensor inverse_std;   // out (rows) sum, 1 / sqrt(...): saved for backward
};
/// `dx` and `dresidual` are both the gradient of r, each in the dtype of its input, and each
/// optional: one of them is enough where x and residual have the same dtype.
struct NormBackward {
  NormKind kind = NormKind::Rms;
  Tensor r;                          // in (..., d): residual_out, or x when there was no residual
  Tensor weight, mean, inverse_std;  // in, as in forward
  Tensor dy;                         // in (..., d), the dtype of y
  Tensor dresidual_out;     // in (..., d) sum, optional: gradient that reached r from elsewhere
  Gradient dx;              // out (..., d), the dtype of x
  Gradient dresidual;       // out (..., d) sum
  Gradient dweight, dbias;  // out (d) sum
};
void norm_forward(const NormForward& args, const ExecutionContext& ctx);
void norm_backward(const NormBackward& args, const ExecutionContext& ctx);

namespace cpu {
void norm_forward(const NormForward& args, const ExecutionContext& ctx);
void norm_backward(const NormBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void norm_forward(const NormForward& args, const ExecutionContext& ctx);
void norm_backward(const NormBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
