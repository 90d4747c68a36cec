#include "train/step/parameter_average.h"

#include "kernels/copy.h"

namespace krait {

ParameterAverage::ParameterAverage(const ParameterArena& arena, double decay)
    : arena_(arena), decay_(decay), average_(arena.like()) {
  restart();
}

void ParameterAverage::restart() {
  copy({.x = arena_.value(), .y = average_}, current_context());
  average_.bump_version();
}

void ParameterAverage::update() {
  const ExecutionContext& ctx = current_context();
  copy({.x = average_, .y = average_, .scale = decay_}, ctx);
  copy({.x = arena_.value(), .y = average_, .scale = 1 - decay_, .accumulate = true}, ctx);
}

}  // namespace krait
