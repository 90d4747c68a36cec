// Requirements that involve more than one field.
#include <fmt/format.h>

#include "train/config/schema.h"

namespace krait {
namespace {

std::string check_accumulation(const Config& c) {
  if (c.train.batch_size % c.train.accumulation == 0) return {};
  return fmt::format("must divide train.batch_size ({}), got {}", c.train.batch_size,
                     c.train.accumulation);
}

std::string check_tokens(const Config& c) {
  // A step's tokens are counted in 64 bits and its micro-batch indexed with them.
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (c.data.sequence_length <= kMost / c.train.batch_size) return {};
  return fmt::format("is too large: {} sequences of {} tokens are more than 2^40 a step",
                     c.train.batch_size, c.data.sequence_length);
}

std::string check_warmup(const Config& c) {
  if (c.schedule.warmup_steps <= c.train.steps) return {};
  return fmt::format("must be at most train.steps ({}), got {}", c.train.steps,
                     c.schedule.warmup_steps);
}

std::string check_min_lr(const Config& c) {
  if (c.schedule.min_lr <= c.optimizer.lr) return {};
  return fmt::format("must be at most optimizer.lr ({}), got {}", c.optimizer.lr,
                     c.schedule.min_lr);
}

std::string check_decay(const Config& c) {
  const std::int64_t most = c.train.steps - c.schedule.warmup_steps;
  if (c.schedule.kind != ScheduleOptions::Kind::Wsd || most < 0) return {};
  if (c.schedule.decay_steps == 0) return "must be at least 1 when schedule.kind is wsd";
  if (c.schedule.decay_steps <= most) return {};
  return fmt::format("must be at most train.steps - schedule.warmup_steps ({}), got {}", most,
                     c.schedule.decay_steps);
}

std::string check_dt(const Config& c) {
  if (c.model.mamba1.dt_min <= c.model.mamba1.dt_max) return {};
  return fmt::format("must be at least model.dt_min ({}), got {}", c.model.mamba1.dt_min,
                     c.model.mamba1.dt_max);
}

std::string check_layers(const Config& c) {
  if (c.model.layers.empty()) {
    return c.model.n_layer > 0 ? "" : "must be at least 1, or model.layers must name the layers";
  }
  TextProblem ignored;
  const auto kinds = parse_layers(c.model.layers, ignored);
  if (!kinds) return {};  // said where the text stands
  const auto count = static_cast<std::int64_t>(kinds->size());
  if (c.model.n_layer == 0 || c.model.n_layer == count) return {};
  return fmt::format("must be left out, or be {}, the number of layers in model.layers; got {}",
                     count, c.model.n_layer);
}

std::string check_s4d_dt(const Config& c) {
  if (c.model.s4d.dt_min <= c.model.s4d.dt_max) return {};
  return fmt::format("must be at least s4d.dt_min ({}), got {}", c.model.s4d.dt_min,
                     c.model.s4d.dt_max);
}

std::string check_s4d_state(const Config& c) {
  if (c.model.s4d.initial == S4dInitial::Real || c.model.s4d.d_state % 2 == 0) return {};
  return fmt::format("must be even for a complex A (s4d.initial is {}), got {}",
                     name_of(c.model.s4d.initial), c.model.s4d.d_state);
}

std::string check_inner_width(const Config& c) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  if (c.model.d_model <= kMost / c.model.mamba1.expand) return {};
  return fmt::format("is too large: expand * d_model is {} * {}, more than 2^24",
                     c.model.mamba1.expand, c.model.d_model);
}

std::string check_valid(const Config& c) {
  if (c.evaluation.every == 0 || !c.data.valid.empty()) return {};
  return "needs a token set in data.valid; give one, or set evaluation.every to 0";
}

std::string check_precision(const Config& c) {
  const bool needs_cuda =
      c.train.precision == Precision::Tf32 || c.train.precision == Precision::Bf16;
  if (needs_cuda && c.run.device == DeviceChoice::Cpu) {
    return fmt::format("{} needs CUDA, but run.device is cpu; use f32", name_of(c.train.precision));
  }
  if (c.train.precision == Precision::F64 && c.run.device == DeviceChoice::Cuda) {
    return "f64 runs on the CPU only, but run.device is cuda; use f32";
  }
  return {};
}

}  // namespace

const std::vector<ConfigRule>& config_rules() {
  static const std::vector<ConfigRule> rules = {
      {{"train.accumulation", "train.batch_size"}, check_accumulation},
      {{"train.batch_size", "data.sequence_length"}, check_tokens},
      {{"schedule.warmup_steps", "train.steps"}, check_warmup},
      {{"schedule.min_lr", "optimizer.lr"}, check_min_lr},
      {{"schedule.decay_steps", "schedule.kind", "schedule.warmup_steps", "train.steps"},
       check_decay},
      {{"model.n_layer", "model.layers"}, check_layers},
      {{"model.dt_max", "model.dt_min"}, check_dt},
      {{"s4d.dt_max", "s4d.dt_min"}, check_s4d_dt},
      {{"s4d.d_state", "s4d.initial"}, check_s4d_state},
      {{"model.d_model", "model.expand"}, check_inner_width},
      {{"evaluation.every", "data.valid"}, check_valid},
      {{"train.precision", "run.device"}, check_precision},
  };
  return rules;
}

}  // namespace krait
