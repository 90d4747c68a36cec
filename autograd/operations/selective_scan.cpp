#include "autograd/operations/selective_scan.h"

#include <array>

#include "autograd/node.h"
#include "kernels/selective_scan.h"

namespace krait {
namespace {

/// Inputs in the order of the fields of SelectiveScanInputs. Outputs: y, final_state.
class SelectiveScanNode final : public Node {
 public:
  SelectiveScanNode(std::vector<Variable> inputs, SelectiveScanForward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)) {
    y_shape_ = saved_.y.shape();
    saved_.y = saved_.final_state = Tensor();
    for (const Variable& v : this->inputs()) {
      if (v.defined()) watch(v.value());
    }
  }
  std::string_view name() const override { return "selective_scan"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor dy = grad_outputs[0].defined()
                          ? grad_outputs[0]
                          : Tensor::zeros(y_shape_, saved_.u.dtype(), saved_.u.device());
    selective_scan_backward({.forward = saved_,
                             .dy = dy,
                             .dfinal_state = grad_outputs[1],
                             .du = targets[0].open_strided(),
                             .ddelta = targets[1].open_strided(),
                             .dA = targets[2].open(),
                             .dB = targets[3].open_strided(),
                             .dC = targets[4].open_strided(),
                             .dD = targets[5].open(),
                             .dz = targets[6].open_strided(),
                             .ddelta_bias = targets[7].open(),
                             .dinitial_state = targets[8].open()},
                            ctx);
  }
  void release() override { saved_ = {}; }

 private:
  SelectiveScanForward saved_;
  Shape y_shape_;
};

}  // namespace

SelectiveScanOutputs selective_scan(const SelectiveScanInputs& in) {
  const Tensor& u = in.u.value();
  const auto like_u = [&](const Shape& s) { return Tensor::empty(s, u.dtype(), u.device()); };
  const std::int64_t batch = u.size(0), length = u.size(1), channels = u.size(2);
  const std::int64_t states = in.A.size(1);
  std::vector<Variable> inputs{in.u,          in.delta,        in.A, in.B, in.C, in.D, in.z,
                               in.delta_bias, in.initial_state};
  SelectiveScanForward args{.u = u,
                            .delta = in.delta.value(),
                            .A = in.A.value(),
                            .B = in.B.value(),
                            .C = in.C.value(),
                            .D = value_of(in.D),
                            .z = value_of(in.z),
                            .delta_bias = value_of(in.delta_bias),
                            .initial_state = dense(value_of(in.initial_state)),
                            .sequence_ids = in.sequence_ids,
                            .delta_softplus = in.delta_softplus,
                            .y = like_u(u.shape())};
  const auto states_like = [&](const Shape& s) {
    return Tensor::empty(s, accumulate_dtype(u.dtype()), u.device());
  };
  if (in.want_final_state) args.final_state = states_like({batch, channels, states});
  if (needs_graph(inputs)) {
    const std::int64_t chunk = selective_scan_chunk(u.device());
    args.chunk_states = states_like({batch, (length + chunk - 1) / chunk, channels, states});
  }
  selective_scan_forward(args, current_context());
  const std::array values{args.y, args.final_state};
  const auto out = record_all(values, std::move(inputs), [&](std::vector<Variable> all) {
    return std::make_shared<SelectiveScanNode>(std::move(all), args);
  });
  return {out[0], out[1]};
}

}  // namespace krait
