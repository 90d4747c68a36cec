// Copies between any strides and float dtypes.
#pragma once
#include "core/stream/context.h"
#include "core/tensor/tensor.h"

namespace krait {

///   y = scale * x  (+ y when `accumulate`)
/// x and y have one shape, any strides (0 in x repeats: a broadcast) and any of f32, f64 (CPU
/// only), bf16; equal integer dtypes are copied when scale is 1 and accumulate is off. They do not
/// overlap, except that they may be the same view.
struct Copy {
  Tensor x;  // in
  Tensor y;  // out
  double scale = 1;
  bool accumulate = false;
};
void copy(const Copy& args, const ExecutionContext& ctx);

/// Sets every element of y (any strides, f32, f64 (CPU only), bf16, i32 or i64) to `value`, which
/// an integer type must be able to hold.
struct Fill {
  Tensor y;  // out
  double value = 0;
};
void fill(const Fill& args, const ExecutionContext& ctx);

namespace cpu {
void copy(const Copy& args, const ExecutionContext& ctx);
void fill(const Fill& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void copy(const Copy& args, const ExecutionContext& ctx);
void fill(const Fill& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
