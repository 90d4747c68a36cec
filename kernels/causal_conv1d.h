// Causal depthwise convolution along the length, optionally followed by SiLU.
#pragma once
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

///   s[b, t, c] = bias[c] + sum_k weight[c, k] x[b, t - (w - 1) + k, c]
///   y = silu(s) or s
/// Positions before 0 read initial_state (row j is position j - (w - 1)), or zero without one. With
/// sequence_ids, taps whose id differs from that of position t read zero; the initial state belongs
/// to the sequence of position 0. x and y are dense in channels, with any other strides; weight and
/// bias are contiguous. y may not overlap x.
///
/// CPU: f32 or f64, alike. CUDA: f32, or x, y, the states and their gradients bf16, while weight,
/// bias and their gradients are f32; s is computed in f32 and rounded once, when it is stored.
struct CausalConv1dForward {
  Tensor x;              // in  (b, l, d), l >= 1
  Tensor weight;         // in  (d, w), w in 1..8
  Tensor bias;           // in  (d), optional
  Tensor initial_state;  // in  (b, w - 1, d), optional, contiguous
  Tensor sequence_ids;   // in  (b, l) i32, optional, contiguous
  bool silu = true;
  Tensor y;            // out (b, l, d)
  Tensor final_state;  // out (b, w - 1, d), optional, contiguous: the last w - 1 inputs (initial
                       // state included when l < w - 1; zero where the sequence is not that
                       // of the last position)
};
/// Recomputes s; only the inputs are saved. dx overlaps neither x nor dy. Memory: partial sums of
/// dweight and dbias; on CUDA (w + 1) d values in f32 per 4 runs of 8 to 256 positions.
struct CausalConv1dBackward {
  CausalConv1dForward forward;  // y and final_state are not read
  Tensor dy;                    // in (b, l, d), dense in channels
  Tensor dfinal_state;          // in (b, w - 1, d), optional, contiguous
  Gradient dx, dweight, dbias, dinitial_state;
};
void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx);
void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx);

namespace cpu {
void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx);
void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx);
void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
