#include "autograd/operations/reduce.h"

#include "autograd/node.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"

namespace krait {
namespace {

class SumNode final : public Node {
 public:
  SumNode(std::vector<Variable> inputs, double scale)
      : Node(std::move(inputs)), scale_(scale), shape_(this->inputs()[0].shape()) {}
  std::string_view name() const override { return "sum"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Gradient dx = targets[0].open();
    copy({.x = grad_outputs[0].expand(shape_),
          .y = dx.tensor,
          .scale = scale_,
          .accumulate = dx.accumulates()},
         ctx);
  }
  void release() override {}

 private:
  double scale_;
  Shape shape_;
};

Variable scaled_sum(const Variable& x, const Shape& shape, double scale) {
  const Tensor y = Tensor::empty(shape, x.dtype(), x.value().device());
  reduce({.x = x.value(), .y = y, .scale = scale}, current_context());
  return record(y, {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<SumNode>(std::move(inputs), scale);
  });
}

}  // namespace

Variable sum_to(const Variable& x, const Shape& shape) {
  return scaled_sum(x, shape, 1);
}
Variable sum(const Variable& x) {
  return scaled_sum(x, {1}, 1);
}
Variable mean(const Variable& x) {
  KRAIT_REQUIRE(x.value().numel() > 0, "[mean] needs at least one element.");
  return scaled_sum(x, {1}, 1.0 / static_cast<double>(x.value().numel()));
}

}  // namespace krait
