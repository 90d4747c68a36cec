// Differentiable causal convolution, with the state that it carries (kernels/causal_conv1d.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// Shapes and formula in kernels/causal_conv1d.h.
struct CausalConv1dInputs {
  Variable x;              // (b, l, d)
  Variable weight;         // (d, w)
  Variable bias;           // (d), optional
  Variable initial_state;  // (b, w - 1, d), optional
  Tensor sequence_ids;     // (b, l) i32, optional
  bool silu = true;
  bool want_final_state = false;
};
struct CausalConv1dOutputs {
  Variable y;            // (b, l, d)
  Variable final_state;  // (b, w - 1, d) when wanted
};
/// Differentiable in x, weight, bias and initial_state, through both outputs.
CausalConv1dOutputs causal_conv1d(const CausalConv1dInputs& inputs);

}  // namespace krait
