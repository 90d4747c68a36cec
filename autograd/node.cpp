#include "autograd/node.h"

#include <algorithm>
#include <atomic>

#include "kernels/copy.h"

namespace krait {
namespace {

std::uint64_t next_sequence() {
  static std::atomic<std::uint64_t> counter{0};
  return counter.fetch_add(1, std::memory_order_relaxed);
}

/// Destroys variables one after the other. A variable may hold the last reference to its producer,
/// whose inputs are queued here instead of being destroyed inside: chains of any length go without
/// recursion.
void dismantle(std::vector<Variable> variables) {
  thread_local std::vector<Variable>* queue = nullptr;
  if (queue != nullptr) {
    std::move(variables.begin(), variables.end(), std::back_inserter(*queue));
    return;
  }
  queue = &variables;
  while (!variables.empty()) {
    const Variable last = std::move(variables.back());
    variables.pop_back();
  }
  queue = nullptr;
}

Tensor empty_gradient(const VariableState& v) {
  return Tensor::empty(v.shape, v.gradient_dtype(), v.device);
}

}  // namespace

Tensor dense(const Tensor& t) {
  if (!t.defined() || t.is_contiguous()) return t;
  Tensor out = Tensor::empty(t.shape(), t.dtype(), t.device());
  copy({.x = t, .y = out}, current_context());
  return out;
}

Gradient GradientTarget::open_strided() const {
  if (state_ == nullptr) return {};
  Tensor& grad = state_->grad;
  if (grad.defined()) return accumulate();
  if (state_->producer) grad = state_->producer->gradient_buffer(state_->output_index);
  state_->grad_in_place = grad.defined();
  if (!grad.defined()) grad = empty_gradient(*state_);
  return {grad, GradientMode::Overwrite};
}

Gradient GradientTarget::open() const {
  if (state_ == nullptr) return {};
  Tensor& grad = state_->grad;
  if (!grad.defined()) {
    grad = empty_gradient(*state_);
    return {grad, GradientMode::Overwrite};
  }
  if (!grad.is_contiguous()) {
    grad = dense(grad);
    state_->grad_in_place = false;
  }
  return accumulate();
}

Gradient GradientTarget::accumulate() const {
  Tensor& grad = state_->grad;
  if (!state_->grad_in_place && grad.storage().use_count() > 1) {  // given to others as well
    const Tensor own = empty_gradient(*state_);
    copy({.x = grad, .y = own}, current_context());
    grad = own;
  }
  return {grad, GradientMode::Accumulate};
}

void GradientTarget::give(const Tensor& gradient) const {
  if (state_ == nullptr) return;
  KRAIT_REQUIRE(gradient.shape() == state_->shape, "[backward] a gradient of shape ",
                gradient.shape(), " for a value of shape ", state_->shape, ".");
  const bool usable = gradient.is_contiguous() && gradient.dtype() == state_->gradient_dtype();
  if (!state_->grad.defined() && usable) {
    state_->grad = gradient;
    return;
  }
  const Gradient target = open_strided();
  copy({.x = gradient, .y = target.tensor, .accumulate = target.accumulates()}, current_context());
}

Node::Node(std::vector<Variable> inputs) : inputs_(std::move(inputs)), sequence_(next_sequence()) {}

Node::~Node() {
  dismantle(std::move(inputs_));
}

void Node::watch(const Tensor& saved) {
  if (saved.defined()) watched_.push_back({saved.storage(), saved.storage()->version()});
}

void Node::check_saved() const {
  KRAIT_REQUIRE(!released_, "[", name(), "] backward went through here before and freed what it ",
                "needs; run the forward pass again.");
  for (const Watched& w : watched_) {
    KRAIT_REQUIRE(w.storage->version() == w.version, "[", name(),
                  "] a tensor saved for backward was changed in place (version ", w.version,
                  " when saved, ", w.storage->version(), " now).");
  }
}

bool needs_graph(std::span<const Variable> inputs) {
  return grad_enabled() && std::any_of(inputs.begin(), inputs.end(),
                                       [](const Variable& v) { return v.requires_grad(); });
}

std::vector<Variable> attach(std::span<const Tensor> values, const std::shared_ptr<Node>& node) {
  node->output_count_ = static_cast<int>(values.size());
  for (Variable& input : node->inputs_) input.drop_value();  // what backward reads, the node saved
  std::vector<Variable> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].defined()) {
      out.emplace_back();
      continue;
    }
    out.emplace_back(values[i], node, static_cast<int>(i));
  }
  return out;
}

}  // namespace krait
