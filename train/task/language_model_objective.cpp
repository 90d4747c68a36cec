#include "train/task/language_model_objective.h"

#include "autograd/operations/reduce.h"

namespace krait {

Variable LanguageModelObjective::loss(const Batch& batch) const {
  const ModelHidden out = model_.forward(
      batch.inputs, {.sequence_ids = batch.sequence_ids, .recompute = options_.recompute});
  return sum(
      model_.losses(out.hidden, batch.targets,
                    {.label_smoothing = options_.label_smoothing, .z_loss = options_.z_loss}));
}

}  // namespace krait
