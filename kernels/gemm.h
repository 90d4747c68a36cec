// Matrix product.
#pragma once
#include "core/context.h"
#include "core/tensor.h"

namespace krait {

///   c[m, n] = sum_k op(a)[m, k] op(b)[k, n]  (+ c[m, n] when `accumulate`)
/// op(x) is x, or its transpose when the flag is set. All are rank 2 of one dtype (f32 or f64),
/// dense in the last dimension, with any row stride; c overlaps neither a nor b. k = 0 gives zeros.
/// The result does not depend on the number of threads.
struct Gemm {
  Tensor a;  // in  (m, k), or (k, m) transposed
  Tensor b;  // in  (k, n), or (n, k) transposed
  Tensor c;  // out (m, n)
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
