#include "layers/basic/linear.h"

#include "autograd/operations/linear.h"
#include "layers/basic/initialise.h"

namespace krait {

Linear::Linear(const LinearConfig& c) {
  weight_ = add_parameter({.name = "weight",
                           .weight_decay = true,
                           .initialise = c.weight_value ? c.weight_value : fan_in_value(c.inputs),
                           .compute = c.compute},
                          {c.outputs, c.inputs}, c.dtype);
  if (c.bias) {
    bias_ = add_parameter({.name = "bias",
                           .weight_decay = false,
                           .initialise = c.bias_value ? c.bias_value : constant_value(0)},
                          {c.outputs}, c.dtype);
  }
}

Variable Linear::forward(const Variable& x) const {
  return linear(x, weight_, bias_);
}

}  // namespace krait
