// Differentiable selective scan, with the state that it carries (kernels/selective_scan.h).
#pragma once
#include "autograd/variable.h"

namespace krait {

/// Shapes and formula in kernels/selective_scan.h.
struct SelectiveScanInputs {
  Variable u;              // (b, l, d)
  Variable delta;          // (b, l, d)
  Variable A;              // (d, n)
  Variable B;              // (b, l, g, n)
  Variable C;              // (b, l, g, n)
  Variable D;              // (d), optional
  Variable z;              // (b, l, d), optional
  Variable delta_bias;     // (d), optional
  Variable initial_state;  // (b, d, n), optional
  Tensor sequence_ids;     // (b, l) i32, optional
  bool delta_softplus = true;
  bool want_final_state = false;
};
struct SelectiveScanOutputs {
  Variable y;            // (b, l, d)
  Variable final_state;  // (b, d, n) when wanted
};
/// Differentiable in every variable, through both outputs. Saves the inputs and one state per
/// selective_scan_chunk() positions.
SelectiveScanOutputs selective_scan(const SelectiveScanInputs& inputs);

}  // namespace krait
