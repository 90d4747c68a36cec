// The evaluation of a language model inside a training run.
#pragma once
#include <string>

#include "train/evaluate/evaluator.h"
#include "train/evaluate/perplexity.h"

namespace krait {

/// How well a language model predicts a corpus.
class PerplexityEvaluator final : public Evaluator {
 public:
  /// `model`, and whatever `corpus` reads through, must outlive it. `data` tells this corpus from
  /// others: a hash of its content.
  PerplexityEvaluator(const LanguageModel& model, Corpus corpus, PerplexityOptions options,
                      std::string data);

  /// Throws what score_corpus throws.
  PerplexityScore score(const EvaluationProgress& progress = {}) const;
  /// loss (nats per token) and perplexity, exp(loss).
  Evaluation evaluate(const EvaluationProgress& progress = {}) const override;
  double decisive(const Evaluation& evaluation) const override;  // the loss
  std::string unit() const override { return "tokens"; }
  std::string identity() const override;

 private:
  const LanguageModel& model_;
  Corpus corpus_;
  PerplexityOptions options_;
  std::string data_;
};

}  // namespace krait
