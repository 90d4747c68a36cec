// RMSNorm and LayerNorm over the last dimension, with the residual addition before it fused in.
#pragma once
#include <cstdint>

#include "core/context.h"
#include "kernels/gradient.h"

namespace krait {

/// Rms:   y = r / sqrt(mean(r^2) + eps) * weight (+ bias)        Zhang & Sennrich 2019
/// Layer: y = (r - mean(r)) / sqrt(var(r) + eps) * weight (+ bias)   Ba, Kiros & Hinton 2016
/// with r = x + residual, or r = x without a residual. var is the biased one.
enum class NormKind : std::uint8_t { Rms, Layer };

/// f32 or f64, alike; contiguous.
struct NormForward {
  NormKind kind = NormKind::Rms;
  Tensor x;         // in  (..., d)
  Tensor residual;  // in  (..., d), optional
  Tensor weight;    // in  (d)
  Tensor bias;      // in  (d), optional
  double eps = 1e-5;
  Tensor y;             // out (..., d)
  Tensor residual_out;  // out (..., d) = r; given exactly when residual is
  Tensor mean;          // out (rows), Layer only: saved for backward
  Tensor inverse_std;   // out (rows), 1 / sqrt(...): saved for backward
};
/// `dx` is the gradient of r, and so of x and of residual alike.
struct NormBackward {
  NormKind kind = NormKind::Rms;
  Tensor r;  // in: residual_out, or x when there was no residual
  Tensor weight, mean, inverse_std;
  Tensor dy;             // in (..., d)
  Tensor dresidual_out;  // in (..., d), optional: gradient that reached r from elsewhere
  Gradient dx, dweight, dbias;
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
