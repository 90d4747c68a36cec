#include "autograd/operations/linear_cross_entropy.h"

#include "autograd/node.h"

namespace krait {
namespace {

class LinearCrossEntropyNode final : public Node {
 public:
  LinearCrossEntropyNode(std::vector<Variable> inputs, LinearCrossEntropyForward saved)
      : Node(std::move(inputs)), saved_(std::move(saved)) {
    saved_.losses = Tensor();
    watch(saved_.x), watch(saved_.weight), watch(saved_.targets);
  }
  std::string_view name() const override { return "linear_cross_entropy"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    linear_cross_entropy_backward({.forward = saved_,
                                   .dlosses = grad_outputs[0],
                                   .dx = targets[0].open(),
                                   .dweight = targets[1].open()},
                                  ctx);
  }
  void release() override { saved_ = {}; }

 private:
  LinearCrossEntropyForward saved_;
};

}  // namespace

Variable linear_cross_entropy(const Variable& x, const Variable& weight, const Tensor& targets,
                              const CrossEntropyOptions& options) {
  const Tensor rows = dense(x.value());
  const auto per_row = [&] {
    return Tensor::empty({x.size(0)}, accumulate_dtype(x.dtype()), x.device());
  };
  const LinearCrossEntropyForward args{.x = rows,
                                       .weight = weight.value(),
                                       .targets = dense(targets),
                                       .label_smoothing = options.label_smoothing,
                                       .z_loss = options.z_loss,
                                       .losses = per_row(),
                                       .logsumexp = per_row()};
  linear_cross_entropy_forward(args, current_context());
  return record(args.losses, {x, weight}, [&](std::vector<Variable> inputs) {
    return std::make_shared<LinearCrossEntropyNode>(std::move(inputs), args);
  });
}

TargetScores score_targets(const Tensor& x, const Tensor& weight, const Tensor& targets) {
  const auto per_row = [&](DType dtype) { return Tensor::empty({x.size(0)}, dtype, x.device()); };
  const DType sum = accumulate_dtype(x.dtype());
  const LinearCrossEntropyForward args{.x = x,
                                       .weight = weight,
                                       .targets = targets,
                                       .losses = per_row(sum),
                                       .logsumexp = per_row(sum),
                                       .correct = per_row(DType::U8)};
  linear_cross_entropy_forward(args, current_context());
  return {args.losses, args.correct};
}

}  // namespace krait
