#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> schedule_fields() {
  using Role = FieldRole;
  using S = ScheduleOptions;
  std::vector<Field> fields;
  const Section schedule{"schedule", [](auto& c) { return &c.schedule; }, fields};
  schedule.add(Role::Free, "kind", &S::kind,
               {.help = "course of the learning rate after the warm-up"});
  schedule.add(Role::Free, "warmup_steps", &S::warmup_steps,
               {.range = at_least(0), .unit = "steps", .help = "steps of linear warm-up"});
  schedule.add(Role::Free, "min_lr", &S::min_lr,
               {.range = kNotNegative, .help = "learning rate that cosine, linear and wsd end at"});
  schedule.add(
      Role::Free, "decay_steps", &S::decay_steps,
      {.range = at_least(0), .unit = "steps", .help = "wsd: steps of linear decay at the end"});
  return fields;
}

}  // namespace krait
