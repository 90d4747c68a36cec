#include "train/step/optimizer.h"

#include "core/memory/memory.h"
#include "kernels/adamw.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"

namespace krait {

Optimizer::Optimizer(const ParameterArena& arena, const OptimizerOptions& config)
    : arena_(arena), config_(config), m_(arena.like()), v_(arena.like()) {
  const auto scalar = [&](DType t) { return Tensor::zeros({1}, t, arena.value().device()); };
  const DType dtype = arena.value().dtype();
  norm_ = scalar(dtype), clip_ = scalar(dtype), learning_rate_ = scalar(dtype);
  health_ = scalar(dtype);
  step_ = scalar(DType::I64);
}

const Tensor& Optimizer::gradient_norm() {
  l2_norm({.x = arena_.grad(), .norm = norm_}, current_context());
  require_finite(norm_);
  return norm_;
}

void Optimizer::require_finite(const Tensor& figure) {
  // 0 times a number is 0, and NaN for what is none
  copy({.x = figure, .y = health_, .scale = 0, .accumulate = true}, current_context());
}

void Optimizer::update(std::int64_t step, double learning_rate) {
  const ExecutionContext& ctx = current_context();
  clip_scale({.norm = norm_, .scale = clip_, .max_norm = config_.clip_norm}, ctx);
  copy({.x = health_, .y = clip_, .accumulate = true}, ctx);
  fill({.y = learning_rate_, .value = learning_rate}, ctx);
  copy_memory({.to = step_.data<std::int64_t>(), .device = step_.device()}, {.from = &step},
              sizeof step);
  const auto apply = [&](std::int64_t begin, std::int64_t end, double weight_decay) {
    const auto part = [&](const Tensor& t) {
      return t.defined() ? t.slice(0, begin, end) : Tensor();
    };
    adamw({.param = part(arena_.value()),
           .m = part(m_),
           .v = part(v_),
           .compute = part(arena_.compute()),
           .grad = part(arena_.grad()),
           .learning_rate = learning_rate_,
           .grad_scale = clip_,
           .step = step_,
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

ParameterAverage::ParameterAverage(const ParameterArena& arena, double decay)
    : arena_(arena), decay_(decay), average_(arena.like()) {
  copy({.x = arena.value(), .y = average_}, current_context());
}

void ParameterAverage::update() {
  const ExecutionContext& ctx = current_context();
  copy({.x = average_, .y = average_, .scale = decay_}, ctx);
  copy({.x = arena_.value(), .y = average_, .scale = 1 - decay_, .accumulate = true}, ctx);
}

}  // namespace krait
