#include "autograd/variable.h"

namespace krait {
namespace {
thread_local bool enabled = true;
}  // namespace

Variable::Variable(Tensor value, bool requires_grad) : state_(std::make_shared<VariableState>()) {
  state_->value = std::move(value);
  state_->requires_grad = requires_grad;
}

void Variable::bind(Tensor value, Tensor grad) const {
  KRAIT_REQUIRE(is_leaf(), "[Variable::bind] needs a leaf.");
  KRAIT_REQUIRE(value.shape() == shape() && grad.shape() == shape(), "[Variable::bind] value ",
                value.shape(), " and gradient ", grad.shape(), " must have shape ", shape(), ".");
  state_->value = std::move(value);
  state_->grad = std::move(grad);
  state_->grad_in_place = true;
}

void Variable::clear_grad() const {
  if (!state_->grad_in_place) state_->grad = Tensor();
}

void Variable::on_gradient_ready(std::function<void()> hook) const {
  KRAIT_REQUIRE(is_leaf(), "[Variable::on_gradient_ready] needs a leaf.");
  state_->gradient_ready = std::move(hook);
}

NoGradScope::NoGradScope(bool enable) : previous_(enabled) {
  enabled = enable;
}
NoGradScope::~NoGradScope() {
  enabled = previous_;
}
bool grad_enabled() {
  return enabled;
}

}  // namespace krait
