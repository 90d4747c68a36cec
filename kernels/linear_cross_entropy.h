// The last linear layer and the cross-entropy in one: the logits (rows, v) are never held whole.
#pragma once
#include <cstdint>

#include "core/context.h"
#include "core/target.h"
#include "kernels/gradient.h"

namespace krait {

/// For every row with logits s = weight x:
///   loss = (1 - e) (lse - s[target]) + e (lse - mean(s)) + z_loss lse^2,   lse = log sum exp(s)
/// e is the label smoothing. Rows are walked in chunks, whose logits (about 16 MiB) are scratch.
/// f32 or f64, alike; targets i32 in [0, v) or kIgnoreIndex, else Error. lse^2 is the z-loss of
/// PaLM (Chowdhery et al. 2022, section 5).
struct LinearCrossEntropyForward {
  Tensor x;        // in  (rows, d), contiguous
  Tensor weight;   // in  (v, d), contiguous
  Tensor targets;  // in  (rows) i32, contiguous
  double label_smoothing = 0;
  double z_loss = 0;
  Tensor losses;     // out (rows)
  Tensor logsumexp;  // out (rows): saved for backward
  Tensor correct;    // out (rows) u8, optional: 1 where the target has the largest logit (first of
                     // equals), 0 elsewhere and on ignored rows
};
/// Recomputes the logits chunk by chunk. dlosses is the gradient of each row's loss.
struct LinearCrossEntropyBackward {
  LinearCrossEntropyForward forward;  // losses and correct are not read
  Tensor dlosses;                     // in (rows)
  Gradient dx, dweight;
};
void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx);
void linear_cross_entropy_backward(const LinearCrossEntropyBackward& args,
                                   const ExecutionContext& ctx);

namespace cpu {
void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx);
void linear_cross_entropy_backward(const LinearCrossEntropyBackward& args,
                                   const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx);
void linear_cross_entropy_backward(const LinearCrossEntropyBackward& args,
                                   const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
