#pragma once
#include "autograd/operations/linear_cross_entropy.h"
#include "layers/basic/linear.h"
#include "layers/models/backbone.h"

namespace krait {

/// Sequence classification: the mean of the backbone's outputs over the positions that count, then
/// a linear head without bias.
class Classifier : public Module {
 public:
  Classifier(const ModelConfig& config, std::int64_t classes);
  /// ids (b, l) i32; mask (b, l) of the model's dtype, 1 where a position counts and 0 elsewhere.
  /// Every row needs a position that counts. Gives the pooled vectors (b, d_model).
  Variable pooled(const Tensor& ids, const Tensor& mask, const ModelRun& run = {}) const;
  /// (b, d_model) to (b, classes).
  Variable logits(const Variable& pooled) const { return head_.forward(pooled); }
  /// Cross-entropy per row (b); labels (b) i32.
  Variable losses(const Variable& pooled, const Tensor& labels,
                  const CrossEntropyOptions& options = {}) const;

 private:
  Backbone backbone_;
  Linear head_;
};

}  // namespace krait
