#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> train_fields() {
  using Role = FieldRole;
  using S = Config::Train;
  std::vector<Field> fields;
  const Section train{"train", [](auto& c) { return &c.train; }, fields};
  train.add(Role::Free, "steps", &S::steps,
            {.range = at_least(1), .unit = "steps", .help = "optimizer steps", .required = true});
  train.add(Role::Free, "batch_size", &S::batch_size,
            {.range = between(1, kMaxSize),
             .unit = "sequences",
             .help = "sequences per optimizer step, over all micro-batches",
             .required = true});
  train.add(Role::Free, "accumulation", &S::accumulation,
            {.range = between(1, kMaxSize),
             .help = "equal micro-batches that batch_size is cut into, to save memory"});
  train.add(Role::Free, "initial_weights", &S::initial_weights,
            {.unit = "path",
             .help = "start from this model's weights (a run, checkpoint or Hugging Face "
                     "directory); empty: at random"});
  train.add(
      Role::FixesRun, "precision", &S::precision,
      {.help =
           "arithmetic; bf16 keeps weights and sums in f32. bf16 and tf32 need CUDA, f64 the CPU"});
  train.add(Role::Free, "recompute", &S::recompute,
            {.help = "blocks: recompute blocks in backward to save memory"});
  train.add(Role::Free, "ema_decay", &S::ema_decay,
            {.range = kFraction, .unit = "per step", .help = "average of the weights; 0: none"});
  train.add(Role::Free, "label_smoothing", &S::label_smoothing,
            {.range = kFraction, .help = "probability spread over the whole vocabulary"});
  train.add(Role::Free, "z_loss", &S::z_loss,
            {.range = kNotNegative, .help = "weight of log(Z)^2 in the loss"});
  train.add(
      Role::Free, "log_every", &S::log_every,
      {.range = at_least(1), .unit = "steps", .help = "steps between records in metrics.jsonl"});
  return fields;
}

}  // namespace krait
