#include "train/step/schedule.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace krait {

double LearningRate::operator()(std::int64_t step) const {
  KRAIT_REQUIRE(1 <= step && step <= steps, "[LearningRate] step must be in 1..", steps, ", got ",
                step, ".");
  const std::int64_t warmup = schedule.warmup_steps;
  const double low = schedule.min_lr;
  if (step <= warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
  const double t = static_cast<double>(step - 1 - warmup) / static_cast<double>(steps - warmup);
  switch (schedule.kind) {
    case ScheduleOptions::Kind::Cosine:
      return low + (peak - low) * 0.5 * (1.0 + std::cos(std::numbers::pi * t));
    case ScheduleOptions::Kind::Linear:
      return peak + (low - peak) * t;
    case ScheduleOptions::Kind::Wsd: {
      const std::int64_t decay = schedule.decay_steps;
      const std::int64_t into_decay = step - (steps - decay);
      if (into_decay <= 0) return peak;
      return peak + (low - peak) * (static_cast<double>(into_decay) / static_cast<double>(decay));
    }
    case ScheduleOptions::Kind::Constant:
      break;
  }
  return peak;
}

}  // namespace krait
