#include "autograd/operations/causal_conv1d.h"

#include <array>

#include "autograd/node.h"
#include "kernels/causal_conv1d.h"

namespace krait {
namespace {

/// Inputs: x, weight, bias, initial_state. Outputs: y, final_state.
class CausalConv1dNode final : public Node {
 public:
  CausalConv1dNode(std::vector<Variable> inputs, CausalConv1dForward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)), y_shape_(saved_.y.shape()) {
    saved_.y = saved_.final_state = Tensor();
    watch(saved_.x), watch(saved_.weight), watch(saved_.bias), watch(saved_.initial_state);
  }
  std::string_view name() const override { return "causal_conv1d"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor dy = grad_outputs[0].defined()
                          ? grad_outputs[0]
                          : Tensor::zeros(y_shape_, saved_.x.dtype(), saved_.x.device());
    causal_conv1d_backward({.forward = saved_,
                            .dy = dy,
                            .dfinal_state = grad_outputs[1],
                            .dx = targets[0].open_strided(),
                            .dweight = targets[1].open(),
                            .dbias = targets[2].open(),
                            .dinitial_state = targets[3].open()},
                           ctx);
  }
  void release() override { saved_ = {}; }

 private:
  CausalConv1dForward saved_;
  Shape y_shape_;
};

}  // namespace

CausalConv1dOutputs causal_conv1d(const CausalConv1dInputs& in) {
  const Tensor& x = in.x.value();
  CausalConv1dForward args{.x = x,
                           .weight = in.weight.value(),
                           .bias = value_of(in.bias),
                           .initial_state = dense(value_of(in.initial_state)),
                           .sequence_ids = in.sequence_ids,
                           .silu = in.silu,
                           .y = Tensor::empty(x.shape(), x.dtype(), x.device())};
  if (in.want_final_state) {
    args.final_state =
        Tensor::empty({x.size(0), in.weight.size(1) - 1, x.size(2)}, x.dtype(), x.device());
  }
  causal_conv1d_forward(args, current_context());
  const std::array values{args.y, args.final_state};
  const auto out = record_all(values, {in.x, in.weight, in.bias, in.initial_state},
                              [&](std::vector<Variable> inputs) {
                                return std::make_shared<CausalConv1dNode>(std::move(inputs), args);
                              });
  return {out[0], out[1]};
}

}  // namespace krait
