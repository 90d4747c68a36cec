#pragma once
#include <memory>

#include "autograd/operations/linear_cross_entropy.h"
#include "layers/basic/linear.h"
#include "layers/models/backbone.h"

namespace krait {

/// The backbone and a head, tied to the embedding unless the config unties it.
class LanguageModel : public Module {
 public:
  explicit LanguageModel(const ModelConfig& config);
  const ModelConfig& config() const { return config_; }

  ModelHidden forward(const Tensor& ids, const ModelRun& run = {}) const {
    return backbone_.forward(ids, run);
  }
  ModelState zero_state(std::int64_t sequences) const {
    return backbone_.zero_state(sequences, device());
  }
  /// (..., d_model) to (..., padded vocabulary).
  Variable logits(const Variable& hidden) const;
  /// Cross-entropy per position (b * l); the logits are never held whole.
  Variable losses(const Variable& hidden, const Tensor& targets,
                  const CrossEntropyOptions& options = {}) const;
  /// Of hidden (rows, d_model) and targets (rows) i32: each target's loss, and whether it is the
  /// likeliest token. Not differentiable.
  TargetScores score(const Tensor& hidden, const Tensor& targets) const;
  /// The head's weight (padded vocabulary, d_model).
  const Variable& head() const;
  /// Where the parameters lie, and so where it computes.
  Device device() const { return head().device(); }

 private:
  ModelConfig config_;
  Backbone backbone_;
  std::unique_ptr<Linear> lm_head_;  // null when tied
};

}  // namespace krait
