// The last linear layer and the cross-entropy in one: the logits (rows, v) are never held whole.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "core/target.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// For every row with logits s = weight x:
///   loss = (1 - e) (lse - s[target]) + e (lse - mean(s)) + z_loss lse^2,   lse = log sum exp(s)
/// e is the label smoothing; lse^2 is the z-loss of PaLM (Chowdhery et al. 2022, section 5). x and
/// weight are of one dtype: f32, f64 (CPU) or bf16 (CUDA). Losses, logits and sums have its
/// accumulate_dtype.
///
/// Rows are walked in chunks, whose logits are scratch: about 16 MiB on the CPU; on CUDA at most
/// 256 MiB in forward and 256 + 512 MiB in backward, for v up to 500,000. The chunks of forward and
/// backward are the same, and so are their logits, to the bit.
///
/// A target outside [0, v) that is not kIgnoreIndex is an Error (BadData) on the CPU. On CUDA,
/// where nobody waits for the values, the row's loss and gradients become NaN: the step ends as
/// non-finite.
struct LinearCrossEntropyForward {
  Tensor x;        // in  (rows, d), contiguous
  Tensor weight;   // in  (v, d), contiguous, v >= 1
  Tensor targets;  // in  (rows) i32, contiguous
  double label_smoothing = 0;
  double z_loss = 0;
  Tensor losses;     // out (rows), accumulate_dtype
  Tensor logsumexp;  // out (rows), accumulate_dtype: saved for backward
  Tensor correct;    // out (rows) u8, optional: 1 where the target has the largest logit (first of
                     // equals), 0 elsewhere and on ignored rows
  std::int64_t chunk_rows = 0;  // rows whose logits are held together; 0: by size, as above
};
/// Recomputes the logits chunk by chunk. dlosses is the gradient of each row's loss.
struct LinearCrossEntropyBackward {
  LinearCrossEntropyForward forward;  // losses and correct are not read
  Tensor dlosses;                     // in (rows), accumulate_dtype
  Gradient dx;                        // (rows, d), dtype of x
  Gradient dweight;                   // (v, d), dtype of weight or its accumulate_dtype. A bf16 one
                                      // is summed in f32 (scratch if there are several chunks)
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
/// Rows whose f32 logits are held together, and rows whose gradients of logits are: a whole number
/// of chunks of logits. The second is larger, because the products that they go into, dx and
/// dweight, are small in the other dimensions. `chunk_rows` as in LinearCrossEntropyForward.
struct CrossEntropyChunks {
  std::int64_t logits_rows, gradient_rows;
};
CrossEntropyChunks cross_entropy_chunks(std::int64_t v, DType dtype, std::int64_t chunk_rows);

void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx);
void linear_cross_entropy_backward(const LinearCrossEntropyBackward& args,
                                   const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
