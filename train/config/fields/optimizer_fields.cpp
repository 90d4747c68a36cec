#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> optimizer_fields() {
  using Role = FieldRole;
  using S = OptimizerOptions;
  std::vector<Field> fields;
  const Section optimizer{"optimizer", [](auto& c) { return &c.optimizer; }, fields};
  optimizer.add(Role::Free, "lr", &S::lr,
                {.range = kPositive, .help = "peak learning rate of AdamW", .required = true});
  optimizer.add(Role::Free, "beta1", &S::beta1,
                {.range = kFraction, .help = "decay of the first moment"});
  optimizer.add(Role::Free, "beta2", &S::beta2,
                {.range = kFraction, .help = "decay of the second moment"});
  optimizer.add(Role::Free, "eps", &S::eps, {.range = kPositive, .help = "epsilon of AdamW"});
  optimizer.add(
      Role::Free, "weight_decay", &S::weight_decay,
      {.range = kNotNegative, .help = "decoupled decay of matrices, embedding, convolution"});
  optimizer.add(
      Role::Free, "clip_norm", &S::clip_norm,
      {.range = kNotNegative, .help = "largest norm of the whole gradient; 0: no clipping"});
  return fields;
}

}  // namespace krait
