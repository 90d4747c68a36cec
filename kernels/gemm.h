// Matrix product.
#pragma once
#include "core/stream/context.h"
#include "core/tensor/tensor.h"

namespace krait {

///   c[m, n] = sum_k op(a)[m, k] op(b)[k, n]  (+ c[m, n] when `accumulate`)
/// op(x) is x, or its transpose when the flag is set. All are rank 2, dense in the last dimension,
/// with any row stride and any alignment; c overlaps neither a nor b. k = 0 gives zeros. a and b
/// are of one dtype: f32, f64 (CPU) or bf16 (CUDA); c is of the same, or of its accumulate_dtype:
/// the weight gradient of bf16 activations goes straight into an f32 buffer. Sums are kept in the
/// accumulate_dtype and rounded once. On CUDA ctx.tf32 lets f32 products round their inputs to 11
/// significant bits, and 32 MiB are scratch.
/// The result does not depend on the number of threads, and on one GPU not on the run.
struct Gemm {
  Tensor a;  // in  (m, k), or (k, m) transposed
  Tensor b;  // in  (k, n), or (n, k) transposed
  Tensor c;  // out (m, n), dtype of a or its accumulate_dtype
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
};

/// Throws Error when a shape, dtype or device does not fit the contract above.
void gemm(const Gemm& args, const ExecutionContext& ctx);

namespace cpu {
void gemm(const Gemm& args, const ExecutionContext& ctx);
}
namespace cuda {
void gemm(const Gemm& args, const ExecutionContext& ctx);
}

}  // namespace krait
