// Variable: a tensor that knows which operation made it.
#pragma once
#include <functional>
#include <memory>

#include "core/tensor/tensor.h"

namespace krait {

class Node;

/// One value in the graph: its shape and dtype, its gradient, and the node that made it. Only the
/// state of a leaf holds the tensor itself. Any other tensor is held by its handles and by the
/// nodes that save it, so an input that backward does not read is freed with its last handle. Code
/// outside autograd/ uses Variable.
struct VariableState {
  Tensor value;  // of a leaf
  Shape shape;   // these three: of the value
  DType dtype = DType::F32;
  Device device;
  Tensor grad;                 // undefined until the first gradient arrives
  bool grad_in_place = false;  // others own grad's memory: write into it, never replace it
  bool requires_grad = false;
  std::shared_ptr<Node> producer;  // null for leaves
  int output_index = 0;            // which output of the producer this is
  int pending_uses = 0;            // leaves, during backward: gradients still to come
  std::function<void()> gradient_ready;

  /// That of the value, unless the gradient is bound to memory of another dtype: f32 for the bf16
  /// copy of a weight.
  DType gradient_dtype() const { return grad.defined() ? grad.dtype() : dtype; }
};

/// A handle: copies share the value and the gradient. Variables made by operations on variables
/// that require gradients require them too, unless a NoGradScope is open.
class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool requires_grad = false);
  /// A leaf that requires gradients and has a shape and a dtype, but no memory: value() is
  /// undefined until bind() or rebind().
  Variable(const Shape& shape, DType dtype);
  /// Output `index` of `producer`.
  Variable(Tensor value, std::shared_ptr<Node> producer, int index);

  bool defined() const { return state_ != nullptr; }
  const Tensor& value() const { return is_leaf() ? state_->value : value_; }
  const Tensor& grad() const { return state_->grad; }
  bool requires_grad() const { return defined() && state_->requires_grad; }
  bool is_leaf() const { return state_->producer == nullptr; }
  const Shape& shape() const { return state_->shape; }
  std::int64_t size(int dim) const { return state_->shape[dim]; }
  DType dtype() const { return state_->dtype; }
  Device device() const { return state_->device; }

  /// The same value, cut from the graph.
  Variable detach() const { return Variable(value()); }

  /// Leaves: puts the value (and where gradients are added) elsewhere, such as into flat buffers.
  /// `grad` is not cleared; its owner zeroes it. Its dtype may be a wider one than the value's.
  void bind(Tensor value, Tensor grad) const;
  /// For leaves: moves the value elsewhere and drops the gradient.
  void rebind(Tensor value) const;
  /// For leaves: drops the gradient, or leaves it alone when it is bound (its owner zeroes it).
  void clear_grad() const;
  /// For leaves: calls `hook` in backward as soon as this gradient is complete, that is when its
  /// last use has been visited. Communication can start there while backward continues.
  void on_gradient_ready(std::function<void()> hook) const;

  const std::shared_ptr<VariableState>& state() const { return state_; }
  /// Drops this handle's reference to the value; leaves keep theirs in the state.
  void drop_value() { value_ = Tensor(); }

 private:
  std::shared_ptr<VariableState> state_;
  Tensor value_;  // of a variable that is not a leaf
};

/// While one is open on a thread, operations there record a graph, or record none.
class GradScope {
 public:
  explicit GradScope(bool record);
  ~GradScope();
  GradScope(const GradScope&) = delete;
  GradScope& operator=(const GradScope&) = delete;

 private:
  bool previous_;
};
class NoGradScope : public GradScope {
 public:
  NoGradScope() : GradScope(false) {}
};
bool grad_enabled();

}  // namespace krait
