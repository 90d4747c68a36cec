// The learning rate as a function of the step.
#pragma once
#include <cstdint>

#include "train/config/config.h"

namespace krait {

/// Learning rate of optimizer step `step`, counted from 1 to config.train.steps, with
///   w = schedule.warmup_steps, n = train.steps, d = schedule.decay_steps,
///   peak = optimizer.lr, low = schedule.min_lr:
///
///   step <= w    peak * step / w                                     (so step w reaches the peak)
///   cosine       low + (peak - low) * (1 + cos(pi * t)) / 2          t = (step - 1 - w) / (n - w)
///   linear       peak + (low - peak) * t                             the same t
///   wsd          peak up to step n - d, then peak + (low - peak) * t
///                                                                    t = (step - (n - d)) / d
///   constant     peak
///
/// With i = step - 1, the number of updates made before, warm-up and cosine are the schedule of the
/// golden run in mamba_lm.h5: lr * (i + 1) / w, and t = (i - w) / (n - w). Its first step after the
/// warm-up has the peak once more, and `low` is what a step n + 1 would have. wsd (warm-up, stable,
/// decay: Hu et al. 2024, MiniCPM, section 4) reaches `low` at its last step.
///
/// A pure function of its arguments, so a resumed run needs no state. Requires 1 <= step <= n.
double learning_rate(std::int64_t step, const Config& config);

}  // namespace krait
