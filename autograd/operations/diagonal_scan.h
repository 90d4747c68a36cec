// Differentiable scan of a wide diagonal state space (kernels/diagonal_scan.h).
#pragma once
#include "autograd/variable.h"
#include "kernels/diagonal_scan.h"

namespace krait {

/// As in kernels/diagonal_scan.h.
struct DiagonalScanInputs {
  Variable x;       // (b, l, 2 p)
  Variable delta;   // (p), or (b, l, p)
  Variable A_real;  // (p)
  Variable A_imag;  // (p)
  DiagonalPhase phase = DiagonalPhase::Scaled;
  bool reverse = false;
  Variable initial_state = {};  // (b, 2 p), optional
  Tensor sequence_ids = {};     // (b, l) i32, optional
  bool want_final_state = false;
};
struct DiagonalScanOutputs {
  Variable h;            // (b, l, 2 p)
  Variable final_state;  // (b, 2 p), when wanted
};

/// The scan of a wide diagonal state space; differentiable in everything but the ids. Backward
/// keeps x, h and delta.
DiagonalScanOutputs diagonal_scan(const DiagonalScanInputs& inputs);

}  // namespace krait
