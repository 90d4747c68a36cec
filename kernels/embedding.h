// Rows of a table by index.
#pragma once
#include "core/context.h"
#include "kernels/gradient.h"

namespace krait {

/// y[..., :] = table[ids[...], :]. Throws (BadData) when an id is outside
/// [0, v).
struct EmbeddingForward {
  Tensor ids;    // in  (...) i32, contiguous
  Tensor table;  // in  (v, d) f32 or f64, contiguous
  Tensor y;      // out (..., d), contiguous
};
/// dtable[ids[...], :] += dy[..., :]; rows are added in the order of the ids, so the bits are
/// fixed.
struct EmbeddingBackward {
  Tensor ids;
  Tensor dy;  // in (..., d), contiguous
  Gradient dtable;
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
