#include "layers/basic/causal_conv1d.h"

#include "autograd/operations/view.h"
#include "layers/basic/initialise.h"

namespace krait {

CausalConv1d::CausalConv1d(const CausalConv1dConfig& c) {
  weight_ = add_parameter({.name = "weight", .initialise = fan_in_value(c.width)},
                          {c.d, 1, c.width}, c.dtype);
  if (!c.bias) return;
  bias_ = add_parameter(
      {.name = "bias", .weight_decay = false, .initialise = fan_in_value(c.width)}, {c.d}, c.dtype);
}

CausalConv1dOutputs CausalConv1d::forward(const Variable& x, const SequenceState& state) const {
  return causal_conv1d({.x = x,
                        .weight = reshape(weight_, {weight_.size(0), weight_.size(2)}),
                        .bias = bias_,
                        .initial_state = state.initial,
                        .sequence_ids = state.ids,
                        .want_final_state = state.want_final});
}

}  // namespace krait
