#include "autograd/variable.h"

namespace krait {
namespace {
thread_local bool enabled = true;
}  // namespace

namespace {

std::shared_ptr<VariableState> state_of(const Tensor& value, bool requires_grad) {
  auto state = std::make_shared<VariableState>();
  state->shape = value.shape();
  state->dtype = value.dtype();
  state->device = value.device();
  state->requires_grad = requires_grad;
  return state;
}

}  // namespace

Variable::Variable(Tensor value, bool requires_grad) : state_(state_of(value, requires_grad)) {
  state_->value = std::move(value);
}

Variable::Variable(const Shape& shape, DType dtype) : state_(std::make_shared<VariableState>()) {
  state_->shape = shape;
  state_->dtype = dtype;
  state_->requires_grad = true;
}

Variable::Variable(Tensor value, std::shared_ptr<Node> producer, int index)
    : state_(state_of(value, true)), value_(std::move(value)) {
  state_->producer = std::move(producer);
  state_->output_index = index;
}

void Variable::rebind(Tensor value) const {
  KRAIT_REQUIRE(is_leaf(), "[Variable::rebind] needs a leaf.");
  KRAIT_REQUIRE(value.shape() == shape(), "[Variable::rebind] the value must have shape ", shape(),
                ", got ", value.shape(), ".");
  state_->dtype = value.dtype();
  state_->device = value.device();
  state_->value = std::move(value);
  state_->grad = Tensor();
  state_->grad_in_place = false;
}

void Variable::bind(Tensor value, Tensor grad) const {
  KRAIT_REQUIRE(grad.shape() == shape() && grad.device() == value.device(),
                "[Variable::bind] the gradient must have shape ", shape(), " and be on ",
                value.device(), ", got ", grad.shape(), " on ", grad.device(), ".");
  rebind(std::move(value));
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

GradScope::GradScope(bool record) : previous_(enabled) {
  enabled = record;
}
GradScope::~GradScope() {
  enabled = previous_;
}
bool grad_enabled() {
  return enabled;
}

}  // namespace krait
