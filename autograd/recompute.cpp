#include "autograd/recompute.h"

#include <utility>

#include "autograd/engine.h"
#include "autograd/node.h"

namespace krait {
namespace {

/// Takes the hooks off leaves for the nested backward: the outer one knows when they are complete.
class HookPause {
 public:
  explicit HookPause(std::span<const Variable> leaves) : leaves_(leaves.begin(), leaves.end()) {
    for (const Variable& v : leaves_) {
      hooks_.push_back({std::exchange(v.state()->gradient_ready, {}),
                        std::exchange(v.state()->pending_uses, 0)});
    }
  }
  ~HookPause() {
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      leaves_[i].state()->gradient_ready = std::move(hooks_[i].ready);
      leaves_[i].state()->pending_uses = hooks_[i].pending_uses;
    }
  }
  HookPause(const HookPause&) = delete;
  HookPause& operator=(const HookPause&) = delete;

 private:
  struct Hook {
    std::function<void()> ready;
    int pending_uses;
  };
  std::vector<Variable> leaves_;
  std::vector<Hook> hooks_;
};

class RecomputeNode final : public Node {
 public:
  RecomputeNode(std::vector<Variable> all, RecomputeFunction function, std::size_t input_count)
      : Node(std::move(all)), function_(std::move(function)) {
    for (std::size_t i = 0; i < inputs().size(); ++i) {
      const Variable& v = inputs()[i];
      values_.push_back(value_of(v));
      watch(values_.back());
      (i < input_count ? copies_ : parameters_).push_back(v);
    }
  }

  std::string_view name() const override { return "recompute"; }

  void backward(std::span<const Tensor> grad_outputs, std::span<const GradientTarget> targets,
                const ExecutionContext&) override {
    // Fresh leaves in place of the inputs; the parameters take part as themselves.
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i].defined()) copies_[i] = Variable(values_[i], copies_[i].requires_grad());
    }
    std::vector<Root> roots;
    {
      const GradScope recording(true);
      const std::vector<Variable> outputs = function_(copies_);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (grad_outputs[i].defined() && outputs[i].requires_grad()) {
          roots.push_back({outputs[i], grad_outputs[i]});
        }
      }
    }
    const HookPause pause(parameters_);
    krait::backward(roots);
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (targets[i].wanted() && copies_[i].grad().defined()) targets[i].give(copies_[i].grad());
    }
  }

  void release() override {
    values_.clear(), copies_.clear(), parameters_.clear();
    function_ = nullptr;
  }

 private:
  RecomputeFunction function_;
  std::vector<Tensor> values_;
  std::vector<Variable> copies_, parameters_;
};

}  // namespace

std::vector<Variable> recompute(const RecomputeFunction& function, std::vector<Variable> inputs,
                                std::vector<Variable> parameters) {
  std::vector<Tensor> values;
  {
    const NoGradScope no_grad;
    for (const Variable& v : function(inputs)) values.push_back(value_of(v));
  }
  const std::size_t input_count = inputs.size();
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  return record_all(values, std::move(inputs), [&](std::vector<Variable> all) {
    return std::make_shared<RecomputeNode>(std::move(all), function, input_count);
  });
}

}  // namespace krait
