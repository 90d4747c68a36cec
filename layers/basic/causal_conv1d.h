// The causal convolution of a mixer, and the sequence that a layer works on.
#pragma once
#include "autograd/operations/causal_conv1d.h"
#include "layers/module.h"

namespace krait {

/// The sequence that a layer's input is a part of.
struct SequenceState {
  Variable initial;  // state before position 0, optional
  Tensor ids;        // (b, l) i32, optional: state is reset where the id changes
  bool want_final = false;
};

struct CausalConv1dConfig {
  std::int64_t d = 0, width = 4;
  bool bias = true;
  DType dtype = DType::F32;
};

/// Causal depthwise convolution and SiLU: weight (d, 1, w) and bias (d), initially uniform within
/// 1/sqrt(w). The state is (b, w - 1, d), the last inputs.
class CausalConv1d : public Module {
 public:
  explicit CausalConv1d(const CausalConv1dConfig& config);
  /// x (b, l, d).
  CausalConv1dOutputs forward(const Variable& x, const SequenceState& state) const;

 private:
  Variable weight_, bias_;  // bias_ undefined without one
};

}  // namespace krait
