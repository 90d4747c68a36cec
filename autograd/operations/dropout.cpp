#include "autograd/operations/dropout.h"

#include "autograd/node.h"
#include "kernels/dropout.h"

namespace krait {
namespace {

class DropoutNode final : public Node {
 public:
  DropoutNode(std::vector<Variable> inputs, const DropoutForward& mask)
      : Node(std::move(inputs)), mask_(mask) {
    release();
  }
  std::string_view name() const override { return "dropout"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Gradient dx = targets[0].open();
    mask_.x = grad_outputs[0], mask_.y = dx.tensor, mask_.accumulate = dx.accumulates();
    dropout(mask_, ctx);
  }
  void release() override { mask_.x = mask_.y = Tensor(); }

 private:
  DropoutForward mask_;
};

}  // namespace

Variable dropout(const Variable& v, double p, const RandomStream& random, std::uint64_t offset,
                 const Tensor& pass) {
  const Tensor x = dense(v.value());
  const DropoutForward args{.x = x,
                            .y = Tensor::empty(x.shape(), x.dtype(), x.device()),
                            .p = p,
                            .random = random,
                            .offset = offset,
                            .pass = pass};
  dropout(args, current_context());
  return record(args.y, {v}, [&](std::vector<Variable> inputs) {
    return std::make_shared<DropoutNode>(std::move(inputs), args);
  });
}

}  // namespace krait
