#include "train/step/optimizer.h"

#include "kernels/adamw.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"

namespace krait {

Optimizer::Optimizer(const ParameterArena& arena, const OptimizerOptions& config)
    : arena_(arena), config_(config), m_(arena.like()), v_(arena.like()) {
  for (Tensor* scalar : {&norm_, &clip_, &health_}) {
    *scalar = Tensor::zeros({1}, arena.value().dtype(), arena.value().device());
  }
}

const Tensor& Optimizer::gradient_norm() {
  l2_norm({.x = arena_.grad(), .norm = norm_}, current_context());
  require_finite(norm_);
  return norm_;
}

void Optimizer::require_finite(const Tensor& figure) {
  // 0 times a finite number is 0, and NaN otherwise
  copy({.x = figure, .y = health_, .scale = 0, .accumulate = true}, current_context());
}

void Optimizer::update(const StepScalars& step) {
  const ExecutionContext& ctx = current_context();
  clip_scale({.norm = norm_, .scale = clip_, .max_norm = config_.clip_norm}, ctx);
  copy({.x = health_, .y = clip_, .accumulate = true}, ctx);
  const auto apply = [&](std::int64_t begin, std::int64_t end, double weight_decay) {
    const auto part = [&](const Tensor& t) {
      return t.defined() ? t.slice(0, begin, end) : Tensor();
    };
    adamw({.param = part(arena_.value()),
           .m = part(m_),
           .v = part(v_),
           .compute = part(arena_.compute()),
           .grad = part(arena_.grad()),
           .learning_rate = step.learning_rate(),
           .grad_scale = clip_,
           .step = step.number(),
           .beta1 = config_.beta1,
           .beta2 = config_.beta2,
           .eps = config_.eps,
           .weight_decay = weight_decay},
          ctx);
  };
  apply(0, arena_.decayed(), config_.weight_decay);
  apply(arena_.decayed(), arena_.size(), 0);
  arena_.value().bump_version();
  if (arena_.compute().defined()) arena_.compute().bump_version();
}

}  // namespace krait
