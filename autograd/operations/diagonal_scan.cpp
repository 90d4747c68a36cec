#include "autograd/operations/diagonal_scan.h"

#include <array>

#include "autograd/node.h"

namespace krait {
namespace {

/// Inputs: x, delta, A_real, A_imag, initial_state. Outputs: h, final_state.
class DiagonalScanNode final : public Node {
 public:
  DiagonalScanNode(std::vector<Variable> inputs, DiagonalScanForward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)) {
    saved_.final_state = Tensor();
    watch(saved_.x), watch(saved_.delta), watch(saved_.A_real), watch(saved_.A_imag);
    watch(saved_.initial_state), watch(saved_.h);
  }
  std::string_view name() const override { return "diagonal_scan"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor dh = grad_outputs[0].defined()
                          ? grad_outputs[0]
                          : Tensor::zeros(saved_.h.shape(), saved_.h.dtype(), saved_.h.device());
    const bool selected = saved_.delta.rank() == 3;
    diagonal_scan_backward({.forward = saved_,
                            .dh = dh,
                            .dfinal_state = grad_outputs[1],
                            .dx = targets[0].open_strided(),
                            .ddelta = selected ? targets[1].open_strided() : targets[1].open(),
                            .dA_real = targets[2].open(),
                            .dA_imag = targets[3].open(),
                            .dinitial_state = targets[4].open()},
                           ctx);
  }
  void release() override { saved_ = {}; }

 private:
  DiagonalScanForward saved_;
};

}  // namespace

DiagonalScanOutputs diagonal_scan(const DiagonalScanInputs& in) {
  const Tensor& x = in.x.value();
  DiagonalScanForward args{.x = x,
                           .delta = in.delta.value(),
                           .A_real = in.A_real.value(),
                           .A_imag = in.A_imag.value(),
                           .phase = in.phase,
                           .reverse = in.reverse,
                           .initial_state = dense(value_of(in.initial_state)),
                           .sequence_ids = in.sequence_ids,
                           .h = Tensor::empty(x.shape(), x.dtype(), x.device())};
  if (in.want_final_state) {
    args.final_state = Tensor::empty({x.size(0), x.size(2)}, args.A_real.dtype(), x.device());
  }
  diagonal_scan_forward(args, current_context());
  const std::array values{args.h, args.final_state};
  const auto out = record_all(values, {in.x, in.delta, in.A_real, in.A_imag, in.initial_state},
                              [&](std::vector<Variable> inputs) {
                                return std::make_shared<DiagonalScanNode>(std::move(inputs), args);
                              });
  return {out[0], out[1]};
}

}  // namespace krait
