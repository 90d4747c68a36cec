#pragma once
#include "layers/models/language_model.h"
#include "train/step/objective.h"

namespace krait {

struct LanguageModelLoss {
  double label_smoothing = 0, z_loss = 0;
  bool recompute = false;  // keep only each block's inputs for backward
};

/// Next-token prediction: the cross-entropy of the targets.
class LanguageModelObjective final : public Objective {
 public:
  LanguageModelObjective(const ModelConfig& model, const LanguageModelLoss& options)
      : model_(model), options_(options) {}
  const LanguageModel& model() const { return model_; }
  const Module& module() const override { return model_; }
  Variable loss(const Batch& batch) const override;

 private:
  LanguageModel model_;
  LanguageModelLoss options_;
};

}  // namespace krait
