// The learning rate as a function of the step.
#pragma once
#include <cstdint>

#include "core/names.h"

namespace krait {

struct ScheduleOptions {
  enum class Kind { Cosine, Linear, Wsd, Constant };
  Kind kind = Kind::Cosine;
  std::int64_t warmup_steps = 0;
  double min_lr = 0.0;
  std::int64_t decay_steps = 0;
};
template <>
inline constexpr std::array<std::string_view, 4> kNames<ScheduleOptions::Kind>{"cosine", "linear",
                                                                               "wsd", "constant"};

/// The learning rate of each optimizer step, counted from 1 to n = steps, with w = warmup_steps,
/// d = decay_steps and low = min_lr:
///
///   step <= w    peak * step / w                                     (so step w reaches the peak)
///   cosine       low + (peak - low) * (1 + cos(pi * t)) / 2          t = (step - 1 - w) / (n - w)
///   linear       peak + (low - peak) * t                             the same t
///   wsd          peak up to step n - d, then peak + (low - peak) * t
///                                                                    t = (step - (n - d)) / d
///   constant     peak
///
/// With i = step - 1, the number of previous updates, warm-up and cosine are the schedule of the
/// golden run in mamba_lm.h5: lr * (i + 1) / w, and t = (i - w) / (n - w). Its first step after the
/// warm-up has the peak again, and a step n + 1 would have `low`. wsd (warm-up, stable, decay: Hu
/// et al. 2024, MiniCPM, section 4) reaches `low` at its last step.
///
/// A pure function of its arguments, so a resumed run needs no state. Requires 1 <= step <= n.
struct LearningRate {
  ScheduleOptions schedule;
  double peak = 0;
  std::int64_t steps = 0;

  double operator()(std::int64_t step) const;
};

}  // namespace krait
