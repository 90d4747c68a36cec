// Differentiable S4D (kernels/s4d.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// Shapes and formula in kernels/s4d.h. A is real without A_imag and C_imag.
struct S4dInputs {
  Variable u;              // (b, l, d)
  Variable dt;             // (d)
  Variable A_real;         // (d, n)
  Variable A_imag;         // (d, n), optional
  Variable C_real;         // (d, n)
  Variable C_imag;         // (d, n), if and only if A_imag is given
  Variable D;              // (d), optional
  Variable z;              // (b, l, d), optional
  Variable initial_state;  // (b, d, n), of a complex A (b, d, n, 2); optional
  Tensor sequence_ids;     // (b, l) i32, optional
  bool want_final_state = false;
};
struct S4dOutputs {
  Variable y;            // (b, l, d)
  Variable final_state;  // like initial_state, when wanted
};
/// Differentiable in every variable, through both outputs. Saves the inputs and one state per
/// s4d_chunk() positions.
S4dOutputs s4d(const S4dInputs& inputs);

}  // namespace krait
