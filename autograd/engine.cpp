#include "autograd/engine.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "autograd/node.h"
#include "core/stream/profile.h"
#include "kernels/copy.h"

namespace krait {

/// One call of backward.
class Engine {
 public:
  void run(std::span<const Root> roots);

 private:
  /// A node that has to be visited, with its outputs that received a gradient.
  struct Pending {
    std::shared_ptr<Node> node;
    std::vector<std::shared_ptr<VariableState>> outputs;
  };

  /// A variable that is an input twice: the second gradient gets a buffer of its own first, so that
  /// a kernel never writes two gradients to one place.
  struct Repeat {
    VariableState* variable;
    std::unique_ptr<VariableState> own;
  };

  void discover(std::span<const Root> roots);
  void schedule(const std::shared_ptr<VariableState>& state);
  void visit(Pending& pending);
  void count_use(VariableState& leaf);

  std::map<std::uint64_t, Pending> pending_;  // by sequence number
  std::vector<std::shared_ptr<VariableState>> hooked_;
};

/// Counts how many gradients each leaf with a hook will receive.
void Engine::discover(std::span<const Root> roots) {
  static std::atomic<std::uint64_t> visits{0};
  const std::uint64_t visit = ++visits;
  std::vector<Node*> stack;
  const auto reach = [&](const Variable& v) {
    if (!v.requires_grad()) return;
    VariableState& state = *v.state();
    if (state.producer == nullptr) {
      if (state.gradient_ready && state.pending_uses++ == 0) hooked_.push_back(v.state());
    } else if (state.producer->visit_ != visit) {
      state.producer->visit_ = visit;
      stack.push_back(state.producer.get());
    }
  };
  for (const Root& r : roots) reach(r.variable);
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (const Variable& v : node->inputs()) reach(v);
  }
}

void Engine::schedule(const std::shared_ptr<VariableState>& state) {
  if (state->producer == nullptr) return;
  Pending& p = pending_[state->producer->sequence()];
  if (p.node == nullptr) {
    p.node = state->producer;
    p.outputs.resize(static_cast<std::size_t>(p.node->output_count()));
  }
  p.outputs[static_cast<std::size_t>(state->output_index)] = state;
}

void Engine::count_use(VariableState& leaf) {
  if (leaf.pending_uses > 0 && --leaf.pending_uses == 0) leaf.gradient_ready();
}

void Engine::visit(Pending& pending) {
  Node& node = *pending.node;
  const ProfileRange range(node.name());
  node.check_saved();
  std::vector<Tensor> grads;
  for (const auto& output : pending.outputs) grads.push_back(output ? output->grad : Tensor());
  std::vector<GradientTarget> targets;
  std::vector<Repeat> repeats;
  for (const Variable& v : node.inputs()) {
    VariableState* state = v.requires_grad() ? v.state().get() : nullptr;
    const bool again = std::any_of(targets.begin(), targets.end(), [&](const GradientTarget& t) {
      return t.wanted() && t.state() == state;
    });
    if (state != nullptr) schedule(v.state());
    if (again) {
      repeats.push_back({state, std::make_unique<VariableState>()});
      VariableState& own = *repeats.back().own;
      own.shape = state->shape, own.dtype = state->gradient_dtype(), own.device = state->device;
      state = &own;
    }
    targets.emplace_back(state);
  }
  node.backward(grads, targets, current_context());
  for (const Repeat& r : repeats) {
    if (r.own->grad.defined()) GradientTarget(r.variable).give(r.own->grad);
  }
  for (const auto& output : pending.outputs) {
    if (output) output->grad = Tensor(), output->grad_in_place = false;
  }
  for (const Variable& v : node.inputs()) {
    if (v.requires_grad() && v.is_leaf()) count_use(*v.state());
  }
  node.release();
  node.watched_.clear();
  node.inputs_.clear();
  node.released_ = true;
}

void Engine::run(std::span<const Root> roots) {
  const NoGradScope no_grad;
  discover(roots);
  for (const Root& r : roots) {
    KRAIT_REQUIRE(r.variable.requires_grad(),
                  "[backward] the root requires no gradient: nothing "
                  "that it was made from does, or it was made inside a NoGradScope.");
    GradientTarget(r.variable.state().get()).give(r.grad);
    schedule(r.variable.state());
    if (r.variable.is_leaf()) count_use(*r.variable.state());
  }
  while (!pending_.empty()) {
    const auto last = std::prev(pending_.end());
    Pending next = std::move(last->second);
    pending_.erase(last);
    visit(next);
  }
  for (const auto& leaf : hooked_) {  // reached, but on a path that carried no gradient
    if (leaf->pending_uses > 0) leaf->pending_uses = 0, leaf->gradient_ready();
  }
}

void backward(std::span<const Root> roots) {
  Engine().run(roots);
}

void backward(const Variable& root, const Tensor& grad) {
  Tensor seed = grad;
  if (!seed.defined()) {
    KRAIT_REQUIRE(root.value().numel() == 1, "[backward] a root of shape ", root.shape(),
                  " needs an explicit gradient.");
    seed = Tensor::empty(root.shape(), root.dtype(), root.value().device());
    fill({.y = seed, .value = 1}, current_context());
  }
  const Root r{root, seed};
  backward(std::span(&r, 1));
}

}  // namespace krait
