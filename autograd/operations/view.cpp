#include "autograd/operations/view.h"

#include <functional>
#include <numeric>
#include <optional>

#include "autograd/node.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"

namespace krait {
namespace {

/// A view whose gradient is another view of the same elements.
class ViewNode final : public Node {
 public:
  using Inverse = std::function<Tensor(const Tensor& dy)>;
  ViewNode(std::vector<Variable> inputs, std::string_view name, Inverse inverse)
      : Node(std::move(inputs)), name_(name), inverse_(std::move(inverse)) {}
  std::string_view name() const override { return name_; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext&) override {
    targets[0].give(inverse_(grad_outputs[0]));
  }
  void release() override {}

 private:
  std::string_view name_;
  Inverse inverse_;
};

class SplitNode final : public Node {
 public:
  SplitNode(std::vector<Variable> inputs, int dim, std::vector<std::int64_t> offsets)
      : Node(std::move(inputs)), dim_(dim), offsets_(std::move(offsets)) {
    const Tensor& x = this->inputs()[0].value();
    shape_ = x.shape(), dtype_ = x.dtype(), device_ = x.device();
  }
  std::string_view name() const override { return "split"; }

  Tensor gradient_buffer(int index) override {
    if (!buffer_.defined()) buffer_ = Tensor::empty(shape_, dtype_, device_);
    return piece(static_cast<std::size_t>(index));
  }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    if (!buffer_.defined()) buffer_ = Tensor::empty(shape_, dtype_, device_);
    for (std::size_t i = 0; i < grad_outputs.size(); ++i) {
      const Tensor& dy = grad_outputs[i];
      if (!dy.defined()) {
        fill({.y = piece(i), .value = 0}, ctx);
      } else if (dy.storage() != buffer_.storage()) {  // written elsewhere
        copy({.x = dy, .y = piece(i)}, ctx);
      }
    }
    targets[0].give(buffer_);
  }
  void release() override { buffer_ = Tensor(); }

 private:
  Tensor piece(std::size_t i) const { return buffer_.slice(dim_, offsets_[i], offsets_[i + 1]); }

  int dim_;
  std::vector<std::int64_t> offsets_;
  Shape shape_;
  DType dtype_ = DType::F32;
  Device device_;
  Tensor buffer_;
};

class SliceNode final : public Node {
 public:
  SliceNode(std::vector<Variable> inputs, int dim, std::int64_t begin, std::int64_t end)
      : Node(std::move(inputs)), dim_(dim), begin_(begin), end_(end) {}
  std::string_view name() const override { return "slice"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Gradient dx = targets[0].open();
    if (!dx.accumulates()) fill({.y = dx.tensor, .value = 0}, ctx);
    copy({.x = grad_outputs[0], .y = dx.tensor.slice(dim_, begin_, end_), .accumulate = true}, ctx);
  }
  void release() override {}

 private:
  int dim_;
  std::int64_t begin_, end_;
};

class ExpandNode final : public Node {
 public:
  using Node::Node;
  std::string_view name() const override { return "expand"; }
  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext& ctx) override {
    const Gradient dx = targets[0].open();
    reduce({.x = grad_outputs[0], .y = dx.tensor, .accumulate = dx.accumulates()}, ctx);
  }
  void release() override {}
};

Variable record_view(const Variable& x, const Tensor& value, std::string_view name,
                     ViewNode::Inverse inverse) {
  return record(value, {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<ViewNode>(std::move(inputs), name, std::move(inverse));
  });
}

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) {
  const Tensor& value = x.value();
  const std::optional<Tensor> view = value.try_reshape(shape);
  const Tensor y = view ? *view : dense(value).reshape(shape);
  return record_view(x, y, "reshape",
                     [from = x.shape()](const Tensor& dy) { return dy.reshape(from); });
}

Variable transpose(const Variable& x, int dim0, int dim1) {
  return record_view(x, x.value().transpose(dim0, dim1), "transpose",
                     [=](const Tensor& dy) { return dy.transpose(dim0, dim1); });
}

Variable slice(const Variable& x, int dim, std::int64_t begin, std::int64_t end) {
  return record(x.value().slice(dim, begin, end), {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<SliceNode>(std::move(inputs), dim, begin, end);
  });
}

std::vector<Variable> split(const Variable& x, int dim, const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> offsets(sizes.size() + 1, 0);
  std::partial_sum(sizes.begin(), sizes.end(), offsets.begin() + 1);
  KRAIT_REQUIRE(offsets.back() == x.size(dim), "[split] the sizes add up to ", offsets.back(),
                ", dimension ", dim, " of ", x.shape(), " has ", x.size(dim), ".");
  std::vector<Tensor> pieces;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    pieces.push_back(x.value().slice(dim, offsets[i], offsets[i + 1]));
  }
  return record_all(pieces, {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<SplitNode>(std::move(inputs), dim, offsets);
  });
}

Variable expand(const Variable& x, const Shape& shape) {
  return record(x.value().expand(shape), {x}, [&](std::vector<Variable> inputs) {
    return std::make_shared<ExpandNode>(std::move(inputs));
  });
}

Variable cast(const Variable& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = Tensor::empty(x.shape(), dtype, x.value().device());
  copy({.x = x.value(), .y = y}, current_context());
  return record_view(x, y, "cast", [](const Tensor& dy) { return dy; });
}

}  // namespace krait
