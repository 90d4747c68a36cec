#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> checkpoint_fields() {
  using Role = FieldRole;
  using S = Config::Checkpoint;
  std::vector<Field> fields;
  const Section checkpoint{"checkpoint", [](auto& c) { return &c.checkpoint; }, fields};
  checkpoint.add(Role::Free, "every", &S::every,
                 {.range = at_least(0),
                  .unit = "steps",
                  .help = "steps between checkpoints; 0: only at the end"});
  checkpoint.add(
      Role::Free, "keep_last", &S::keep_last,
      {.range = between(2, 1e6), .unit = "checkpoints", .help = "newest checkpoints to keep"});
  checkpoint.add(Role::Free, "keep_best", &S::keep_best,
                 {.help = "also keep the one with the lowest evaluation loss"});
  return fields;
}

}  // namespace krait
