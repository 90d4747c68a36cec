#include "autograd/operations/norm.h"

#include <array>

#include "autograd/node.h"
#include "kernels/copy.h"

namespace krait {
namespace {

/// Inputs: x, residual (or undefined), weight, bias (or undefined). Outputs: y, residual_out.
class NormNode final : public Node {
 public:
  NormNode(std::vector<Variable> inputs, NormBackward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)) {
    watch(saved_.r), watch(saved_.weight);
  }
  std::string_view name() const override { return "norm"; }

  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    saved_.dy = grad_outputs[0];
    if (!saved_.dy.defined()) {
      saved_.dy = Tensor::zeros(saved_.r.shape(), saved_.r.dtype(), saved_.r.device());
    }
    if (grad_outputs.size() > 1) saved_.dresidual_out = grad_outputs[1];
    saved_.dweight = targets[2].open();
    saved_.dbias = targets[3].open();
    const bool shared =
        targets[0].wanted() && targets[1].wanted() && inputs()[0].dtype() == inputs()[1].dtype();
    if (shared) {  // one tensor is the gradient of x and of the residual alike
      saved_.dx = {Tensor::empty(saved_.r.shape(), saved_.r.dtype(), saved_.r.device()),
                   GradientMode::Overwrite};
    } else {
      saved_.dx = targets[0].open();
      saved_.dresidual = targets[1].open();
    }
    norm_backward(saved_, ctx);
    if (shared) targets[0].give(saved_.dx.tensor), targets[1].give(saved_.dx.tensor);
  }
  void release() override { saved_ = {}; }

 private:
  NormBackward saved_;
};

std::vector<Variable> run(const Variable& x, const Variable& residual, const NormParameters& p) {
  const auto make = [&](const Shape& s, DType t) {
    return Tensor::empty(s, t, x.value().device());
  };
  const DType sum = accumulate_dtype(x.dtype());
  const Shape rows{x.shape().rows()};
  NormForward args{.kind = p.kind,
                   .x = dense(x.value()),
                   .weight = p.weight.value(),
                   .eps = p.eps,
                   .y = make(x.shape(), p.output_dtype.value_or(x.dtype())),
                   .inverse_std = make(rows, sum)};
  if (residual.defined())
    args.residual = dense(residual.value()), args.residual_out = make(x.shape(), sum);
  if (p.bias.defined()) args.bias = p.bias.value();
  if (p.kind == NormKind::Layer) args.mean = make(rows, sum);
  norm_forward(args, current_context());
  const std::array outputs{args.y, args.residual_out};
  const std::size_t count = residual.defined() ? 2 : 1;
  return record_all(std::span(outputs).first(count), {x, residual, p.weight, p.bias},
                    [&](std::vector<Variable> inputs) {
                      return std::make_shared<NormNode>(
                          std::move(inputs),
                          NormBackward{.kind = p.kind,
                                       .r = residual.defined() ? args.residual_out : args.x,
                                       .weight = args.weight,
                                       .mean = args.mean,
                                       .inverse_std = args.inverse_std});
                    });
}

}  // namespace

Variable norm(const Variable& x, const NormParameters& parameters) {
  return run(x, {}, parameters)[0];
}

Variable unit_rms_norm(const Variable& x, double eps) {
  const Tensor ones = Tensor::empty({x.size(-1)}, accumulate_dtype(x.dtype()), x.value().device());
  fill({.y = ones, .value = 1}, current_context());
  return norm(x, {.kind = NormKind::Rms, .weight = Variable(ones), .eps = eps});
}

ResidualNorm residual_norm(const Variable& x, const Variable& residual,
                           const NormParameters& parameters) {
  const std::vector<Variable> out = run(x, residual, parameters);
  return {out[0], out[1]};
}

}  // namespace krait
