#include "autograd/operations/elementwise.h"

#include "autograd/node.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace krait {
namespace {

class UnaryNode final : public Node {
 public:
  UnaryNode(std::vector<Variable> inputs, UnaryOp op, Tensor x)
      : Node(std::move(inputs)), op_(op), x_(std::move(x)) {
    watch(x_);
  }
  std::string_view name() const override { return "unary"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    unary_backward({.op = op_, .x = x_, .dy = grad_outputs[0], .dx = targets[0].open()}, ctx);
  }
  void release() override { x_ = Tensor(); }

 private:
  UnaryOp op_;
  Tensor x_;
};

Variable unary(UnaryOp op, const Variable& v) {
  const Tensor x = dense(v.value());
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  unary_forward({.op = op, .x = x, .y = y}, current_context());
  return record(y, {v}, [&](std::vector<Variable> inputs) {
    return std::make_shared<UnaryNode>(std::move(inputs), op, x);
  });
}

class ScaleNode final : public Node {
 public:
  ScaleNode(std::vector<Variable> inputs, double factor)
      : Node(std::move(inputs)), factor_(factor) {}
  std::string_view name() const override { return "scale"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Gradient dx = targets[0].open();
    copy({.x = grad_outputs[0], .y = dx.tensor, .scale = factor_, .accumulate = dx.accumulates()},
         ctx);
  }
  void release() override {}

 private:
  double factor_;
};

/// target (+)= sign * sum of `full` over the broadcast dimensions.
void give_summed(const GradientTarget& target, const Shape& shape, const Tensor& full, double sign,
                 const ExecutionContext& ctx) {
  if (full.shape() == shape && sign == 1) {
    target.give(full);
    return;
  }
  const Gradient d = target.open();
  reduce({.x = full, .y = d.tensor, .scale = sign, .accumulate = d.accumulates()}, ctx);
}

class BinaryNode final : public Node {
 public:
  BinaryNode(std::vector<Variable> inputs, BinaryOp op)
      : Node(std::move(inputs)), op_(op), a_(value(0)), b_(value(1)) {
    const bool saves = op == BinaryOp::Mul || op == BinaryOp::Div;
    if (saves) watch(a_), watch(b_);
    a_shape_ = a_.shape(), b_shape_ = b_.shape();
    if (!saves) release();
  }
  std::string_view name() const override { return "binary"; }

  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Tensor& dy = grad_outputs[0];
    const auto apply = [&](BinaryOp op, const Tensor& x, const Tensor& y) {
      Tensor out = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
      binary_forward({.op = op, .a = x, .b = y, .y = out}, ctx);
      return out;
    };
    if (targets[0].wanted()) {
      const Tensor da = op_ == BinaryOp::Mul   ? apply(BinaryOp::Mul, dy, b_)
                        : op_ == BinaryOp::Div ? apply(BinaryOp::Div, dy, b_)
                                               : dy;
      give_summed(targets[0], a_shape_, da, 1, ctx);
    }
    if (!targets[1].wanted()) return;
    switch (op_) {
      case BinaryOp::Add:
        return give_summed(targets[1], b_shape_, dy, 1, ctx);
      case BinaryOp::Sub:
        return give_summed(targets[1], b_shape_, dy, -1, ctx);
      case BinaryOp::Mul:
        return give_summed(targets[1], b_shape_, apply(BinaryOp::Mul, dy, a_), 1, ctx);
      case BinaryOp::Div: {  // d(a / b)/db = -(a / b) / b
        const Tensor quotient = apply(BinaryOp::Div, apply(BinaryOp::Div, dy, b_), b_);
        return give_summed(targets[1], b_shape_, apply(BinaryOp::Mul, quotient, a_), -1, ctx);
      }
    }
  }
  void release() override { a_ = b_ = Tensor(); }

 private:
  const Tensor& value(std::size_t i) const { return inputs()[i].value(); }
  BinaryOp op_;
  Tensor a_, b_;
  Shape a_shape_, b_shape_;
};

Variable binary(BinaryOp op, const Variable& a, const Variable& b) {
  const Tensor y =
      Tensor::empty(broadcast_shape(a.shape(), b.shape(), "binary"), a.dtype(), a.value().device());
  binary_forward({.op = op, .a = a.value(), .b = b.value(), .y = y}, current_context());
  return record(y, {a, b}, [&](std::vector<Variable> inputs) {
    return std::make_shared<BinaryNode>(std::move(inputs), op);
  });
}

}  // namespace

Variable neg(const Variable& x) {
  return unary(UnaryOp::Neg, x);
}
Variable exp(const Variable& x) {
  return unary(UnaryOp::Exp, x);
}
Variable log(const Variable& x) {
  return unary(UnaryOp::Log, x);
}
Variable sqrt(const Variable& x) {
  return unary(UnaryOp::Sqrt, x);
}
Variable square(const Variable& x) {
  return unary(UnaryOp::Square, x);
}
Variable tanh(const Variable& x) {
  return unary(UnaryOp::Tanh, x);
}
Variable sigmoid(const Variable& x) {
  return unary(UnaryOp::Sigmoid, x);
}
Variable silu(const Variable& x) {
  return unary(UnaryOp::Silu, x);
}
Variable softplus(const Variable& x) {
  return unary(UnaryOp::Softplus, x);
}
Variable gelu(const Variable& x) {
  return unary(UnaryOp::Gelu, x);
}
Variable relu(const Variable& x) {
  return unary(UnaryOp::Relu, x);
}

Variable scale(const Variable& x, double factor) {
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.value().device());
  copy({.x = x.value(), .y = y, .scale = factor}, current_context());
  return record(y, {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<ScaleNode>(std::move(inputs), factor);
  });
}

Variable operator+(const Variable& a, const Variable& b) {
  return binary(BinaryOp::Add, a, b);
}
Variable operator-(const Variable& a, const Variable& b) {
  return binary(BinaryOp::Sub, a, b);
}
Variable operator*(const Variable& a, const Variable& b) {
  return binary(BinaryOp::Mul, a, b);
}
Variable operator/(const Variable& a, const Variable& b) {
  return binary(BinaryOp::Div, a, b);
}

}  // namespace krait
