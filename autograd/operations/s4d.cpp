#include "autograd/operations/s4d.h"

#include <array>

#include "autograd/node.h"
#include "kernels/s4d.h"

namespace krait {
namespace {

/// Inputs in the order of the fields of S4dInputs. Outputs: y, final_state.
class S4dNode final : public Node {
 public:
  S4dNode(std::vector<Variable> inputs, S4dForward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)) {
    y_shape_ = saved_.y.shape();
    saved_.y = saved_.final_state = Tensor();
    for (const Variable& v : this->inputs()) {
      if (v.defined()) watch(v.value());
    }
  }
  std::string_view name() const override { return "s4d"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor dy = grad_outputs[0].defined()
                          ? grad_outputs[0]
                          : Tensor::zeros(y_shape_, saved_.u.dtype(), saved_.u.device());
    s4d_backward({.forward = saved_,
                  .dy = dy,
                  .dfinal_state = grad_outputs[1],
                  .du = targets[0].open_strided(),
                  .ddt = targets[1].open(),
                  .dA_real = targets[2].open(),
                  .dA_imag = targets[3].open(),
                  .dC_real = targets[4].open(),
                  .dC_imag = targets[5].open(),
                  .dD = targets[6].open(),
                  .dz = targets[7].open_strided(),
                  .dinitial_state = targets[8].open()},
                 ctx);
  }
  void release() override { saved_ = {}; }

 private:
  S4dForward saved_;
  Shape y_shape_;
};

}  // namespace

S4dOutputs s4d(const S4dInputs& in) {
  const Tensor& u = in.u.value();
  std::vector<Variable> inputs{in.u,      in.dt, in.A_real, in.A_imag,       in.C_real,
                               in.C_imag, in.D,  in.z,      in.initial_state};
  S4dForward args{.u = u,
                  .dt = in.dt.value(),
                  .A_real = in.A_real.value(),
                  .A_imag = value_of(in.A_imag),
                  .C_real = in.C_real.value(),
                  .C_imag = value_of(in.C_imag),
                  .D = value_of(in.D),
                  .z = value_of(in.z),
                  .initial_state = dense(value_of(in.initial_state)),
                  .sequence_ids = in.sequence_ids,
                  .y = Tensor::empty(u.shape(), u.dtype(), u.device())};
  const auto states = [&](Shape shape) {
    shape.push_back(u.size(2));
    shape.push_back(in.A_real.size(1));
    if (in.A_imag.defined()) shape.push_back(2);
    return Tensor::empty(shape, accumulate_dtype(u.dtype()), u.device());
  };
  if (in.want_final_state) args.final_state = states({u.size(0)});
  if (needs_graph(inputs)) {
    const std::int64_t chunk = s4d_chunk(u.device());
    args.chunk_states = states({u.size(0), (u.size(1) + chunk - 1) / chunk});
  }
  s4d_forward(args, current_context());
  const std::array values{args.y, args.final_state};
  const auto out = record_all(values, std::move(inputs), [&](std::vector<Variable> all) {
    return std::make_shared<S4dNode>(std::move(all), args);
  });
  return {out[0], out[1]};
}

}  // namespace krait
