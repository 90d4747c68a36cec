// Node: one recorded operation, and how it is recorded.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// Where a node's backward puts the gradient of one input. Every wanted target must be filled, by
/// open() and writing, or by give(). The exception is the node of recompute(): the targets of its
/// parameters stay empty, since the backward that it runs inside adds their gradients itself, and
/// so do those of inputs that no gradient reaches there.
class GradientTarget {
 public:
  GradientTarget() = default;
  explicit GradientTarget(VariableState* state) : state_(state) {}

  bool wanted() const { return state_ != nullptr; }
  const VariableState* state() const { return state_; }
  /// The contiguous buffer and the mode in which a kernel has to write it; mode Ignore when not
  /// wanted.
  Gradient open() const;
  /// The same for kernels that write to any strides (dense in the last dimension): the buffer may
  /// be a slice of a wider one, which saves a copy where the input is a piece of a split().
  Gradient open_strided() const;
  /// Hands over a whole gradient without a copy where possible. The giver may keep the tensor, but
  /// must not write to it any more.
  void give(const Tensor& gradient) const;

 private:
  Gradient accumulate() const;  // adds to the gradient so far
  VariableState* state_ = nullptr;
};

/// A recorded operation. Subclasses keep what backward needs as named members and list the tensors
/// among them with watch(), so that a later in-place change is an error, not a wrong gradient.
class Node {
 public:
  explicit Node(std::vector<Variable> inputs);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  virtual std::string_view name() const = 0;

  /// Fills targets[i] (see GradientTarget), the gradient of inputs()[i], from the gradients of the
  /// outputs. A node with several outputs may find some of grad_outputs undefined (no gradient
  /// reached that output), never all. Gradients are contiguous, but for those written to a
  /// gradient_buffer().
  virtual void backward(std::span<const Tensor> grad_outputs,
                        std::span<const GradientTarget> targets, const ExecutionContext& ctx) = 0;
  /// Drops saved tensors; called after backward.
  virtual void release() = 0;
  /// The buffer that the gradient of output `index` should be written to, or an undefined tensor:
  /// split() has the gradients of its pieces written next to each other.
  virtual Tensor gradient_buffer(int /*index*/) { return {}; }

  /// They have their values in the constructor; later only leaves have them. Tensors that backward
  /// reads have to be saved in members.
  const std::vector<Variable>& inputs() const { return inputs_; }
  /// Numbers nodes in the order of their creation: a node has a larger number than those that made
  /// its inputs.
  std::uint64_t sequence() const { return sequence_; }
  int output_count() const { return output_count_; }

 protected:
  void watch(const Tensor& saved);

 private:
  friend class Engine;
  friend std::vector<Variable> attach(std::span<const Tensor> values,
                                      const std::shared_ptr<Node>& node);
  void check_saved() const;

  struct Watched {
    std::shared_ptr<Storage> storage;
    std::uint64_t version;
  };
  std::vector<Variable> inputs_;
  std::vector<Watched> watched_;
  std::uint64_t sequence_;
  std::uint64_t visit_ = 0;  // the backward call that discovered this node last
  int output_count_ = 0;
  bool released_ = false;
};

/// Variables for the outputs of `node`.
std::vector<Variable> attach(std::span<const Tensor> values, const std::shared_ptr<Node>& node);
/// Whether an operation on these inputs has to be recorded.
bool needs_graph(std::span<const Variable> inputs);

/// Makes the output variable of an operation; `make_node(inputs)` runs only when a gradient will
/// be needed.
template <class MakeNode>
Variable record(const Tensor& value, std::vector<Variable> inputs, MakeNode&& make_node) {
  if (!needs_graph(inputs)) return Variable(value);
  return attach(std::span(&value, 1), make_node(std::move(inputs)))[0];
}
/// The same for several outputs. Undefined tensors become undefined variables.
template <class MakeNode>
std::vector<Variable> record_all(std::span<const Tensor> values, std::vector<Variable> inputs,
                                 MakeNode&& make_node) {
  if (needs_graph(inputs)) return attach(values, make_node(std::move(inputs)));
  std::vector<Variable> out;
  for (const Tensor& v : values) out.push_back(v.defined() ? Variable(v) : Variable());
  return out;
}

/// `t` itself if it is contiguous, else a contiguous copy.
Tensor dense(const Tensor& t);
/// The value of an optional variable, undefined if the variable is.
inline Tensor value_of(const Variable& v) {
  return v.defined() ? v.value() : Tensor();
}

}  // namespace krait
