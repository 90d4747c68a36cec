#include "train/evaluate/perplexity_evaluator.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace krait {

PerplexityEvaluator::PerplexityEvaluator(const LanguageModel& model, Corpus corpus,
                                         PerplexityOptions options, std::string data)
    : model_(model),
      corpus_(std::move(corpus)),
      options_(std::move(options)),
      data_(std::move(data)) {}

PerplexityScore PerplexityEvaluator::score(const EvaluationProgress& progress) const {
  return score_corpus(model_, corpus_, options_, progress);
}

Evaluation PerplexityEvaluator::evaluate(const EvaluationProgress& progress) const {
  const PerplexityScore s = score(progress);
  const double loss = -s.loglikelihood / static_cast<double>(s.n_tokens);
  return {
      .figures = {{.name = "loss", .value = loss}, {.name = "perplexity", .value = std::exp(loss)}},
      .count = s.n_tokens};
}

double PerplexityEvaluator::decisive(const Evaluation& evaluation) const {
  return evaluation.figures.front().value;
}

std::string PerplexityEvaluator::identity() const {
  const PerplexityWindowing& w = options_.windowing;
  return fmt::format("perplexity {} {}, length {}, stride {}{}{}{}, {} tokens of {}",
                     name_of(w.protocol), kPerplexityVersion, w.length, w.stride,
                     w.drop_last ? ", no last window" : "",
                     options_.reset_at_documents ? ", state reset at documents" : "",
                     options_.score_end_of_document ? ", end-of-document tokens counted" : "",
                     options_.max_tokens > 0 ? std::to_string(options_.max_tokens) : "all", data_);
}

}  // namespace krait
