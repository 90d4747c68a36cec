#include "layers/models/language_model.h"

#include "autograd/operations/linear.h"
#include "autograd/operations/view.h"

namespace krait {

LanguageModel::LanguageModel(const ModelConfig& c) : config_(c), backbone_(c) {
  add_child("backbone", backbone_);
  if (!c.tie_embeddings) {
    lm_head_ = std::make_unique<Linear>(LinearConfig{
        .inputs = c.d_model, .outputs = c.padded_vocab(), .dtype = c.dtype, .compute = c.compute});
    add_child("lm_head", *lm_head_);
  }
}

const Variable& LanguageModel::head() const {
  return lm_head_ ? lm_head_->weight() : backbone_.embedding().weight();
}

Variable LanguageModel::logits(const Variable& hidden) const {
  return linear(hidden, head());
}

Variable LanguageModel::losses(const Variable& hidden, const Tensor& targets,
                               const CrossEntropyOptions& options) const {
  return linear_cross_entropy(reshape(hidden, {hidden.shape().rows(), hidden.size(-1)}), head(),
                              targets.reshape({targets.numel()}), options);
}

TargetScores LanguageModel::score(const Tensor& hidden, const Tensor& targets) const {
  return score_targets(hidden, head().value(), targets);
}

}  // namespace krait
