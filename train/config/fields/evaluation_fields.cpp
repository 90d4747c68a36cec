#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> evaluation_fields() {
  using Role = FieldRole;
  using S = Config::Evaluation;
  std::vector<Field> fields;
  const Section evaluation{"evaluation", [](auto& c) { return &c.evaluation; }, fields};
  evaluation.add(Role::Free, "every", &S::every,
                 {.range = at_least(0),
                  .unit = "steps",
                  .help = "steps between evaluations on data.valid; 0: off"});
  evaluation.add(Role::Free, "max_tokens", &S::max_tokens,
                 {.range = at_least(0),
                  .unit = "tokens",
                  .help = "evaluate on the first tokens only; 0: on all"});
  evaluation.add(Role::Free, "sample_tokens", &S::sample_tokens,
                 {.range = between(0, 1e6),
                  .unit = "tokens",
                  .help = "text to generate at evaluations; 0: none"});
  evaluation.add(Role::Free, "sample_prompt", &S::sample_prompt,
                 {.unit = "text", .help = "what the generated text continues from"});
  return fields;
}

}  // namespace krait
