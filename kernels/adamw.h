// AdamW over a flat buffer (Loshchilov & Hutter 2019, "Decoupled weight decay regularization").
#pragma once
#include "core/stream/context.h"
#include "core/tensor/tensor.h"

namespace krait {

///   g = grad_scale grad
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   param -= lr (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps) + weight_decay param)
/// Numbers that change from step to step are read from tensors, so that a recorded step can be
/// replayed. All are flat (n), contiguous and of one dtype: f32, or f64 on the CPU. When grad_scale
/// is NaN, nothing is changed: a step with a gradient that is not finite leaves the model as it is,
/// and the host need not check.
struct AdamW {
  Tensor param, m, v;    // in and out (n)
  Tensor compute;        // out (n) bf16, optional: param rounded, for bf16 arithmetic
  Tensor grad;           // in (n)
  Tensor learning_rate;  // in (1)
  Tensor grad_scale;     // in (1)
  Tensor step;           // in (1) i64, counted from 1 (checked on the CPU)
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0;
};
void adamw(const AdamW& args, const ExecutionContext& ctx);

namespace cpu {
void adamw(const AdamW& args, const ExecutionContext& ctx);
}
namespace cuda {
void adamw(const AdamW& args, const ExecutionContext& ctx);
}

}  // namespace krait
