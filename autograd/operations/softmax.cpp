#include "autograd/operations/softmax.h"

#include "autograd/node.h"
#include "kernels/softmax.h"

namespace krait {
namespace {

class SoftmaxNode final : public Node {
 public:
  SoftmaxNode(std::vector<Variable> inputs, Tensor y, bool log)
      : Node(std::move(inputs)), y_(std::move(y)), log_(log) {
    watch(y_);
  }
  std::string_view name() const override { return log_ ? "log_softmax" : "softmax"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    softmax_backward({.y = y_, .dy = grad_outputs[0], .log = log_, .dx = targets[0].open()}, ctx);
  }
  void release() override { y_ = Tensor(); }

 private:
  Tensor y_;
  bool log_;
};

Variable run(const Variable& v, bool log) {
  const Tensor x = dense(v.value());
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  softmax_forward({.x = x, .y = y, .log = log}, current_context());
  return record(y, {v}, [&](std::vector<Variable> inputs) {
    return std::make_shared<SoftmaxNode>(std::move(inputs), y, log);
  });
}

}  // namespace

Variable softmax(const Variable& x) {
  return run(x, false);
}
Variable log_softmax(const Variable& x) {
  return run(x, true);
}

}  // namespace krait
