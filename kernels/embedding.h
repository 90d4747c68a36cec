// Rows of a table by index.
#pragma once
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// y[..., :] = table[ids[...], :]. An id outside [0, v) throws (BadData) on the CPU. On CUDA, where
/// the host does not wait for what ids hold, it gives a row of NaN: the loss becomes NaN and the
/// step ends as non-finite.
struct EmbeddingForward {
  Tensor ids;    // in  (...) i32, contiguous
  Tensor table;  // in  (v, d) f32, f64 (CPU) or bf16 (CUDA), contiguous
  Tensor y;      // out (..., d), contiguous; the dtype of table, or f32 for a bf16 table
};
/// dtable[ids[...], :] += dy[..., :]; rows are added in the order of the ids, on CUDA in pieces of
/// fixed length, so the bits are fixed. An id outside [0, v) throws (BadData) on the CPU and is
/// passed over on CUDA.
struct EmbeddingBackward {
  Tensor ids;
  Tensor dy;        // in (..., d), contiguous; the dtype of dtable, or on CUDA bf16
  Gradient dtable;  // out (v, d) f32 or f64 (CPU): the type in which rows are summed
};
void embedding_forward(const EmbeddingForward& args, const ExecutionContext& ctx);
void embedding_backward(const EmbeddingBackward& args, const ExecutionContext& ctx);

namespace cpu {
void embedding_forward(const EmbeddingForward& args, const ExecutionContext& ctx);
void embedding_backward(const EmbeddingBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void embedding_forward(const EmbeddingForward& args, const ExecutionContext& ctx);
void embedding_backward(const EmbeddingBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
