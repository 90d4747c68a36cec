// How well a model predicts a text.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "layers/models/language_model.h"
#include "train/evaluate/context_buckets.h"
#include "train/evaluate/corpus.h"
#include "train/evaluate/evaluator.h"
#include "train/evaluate/window_scorer.h"
#include "train/evaluate/windows.h"

namespace krait {

struct PerplexityOptions {
  PerplexityWindowing windowing;
  bool reset_at_documents = true;      // Blocks: a document does not see the ones before it
  bool score_end_of_document = false;  // count the end-of-document tokens, which are not text
  /// What the first token of a text is predicted from, a text being a document for Document and
  /// LmEval, and the whole for Sliding. Empty, and in Blocks: the end-of-document token.
  std::optional<std::int32_t> prefix_token;
  std::uint64_t max_tokens = 0;  // Blocks, Sliding: of the corpus; 0: all
  WindowScoring scoring;
};

struct PerplexityScore {
  double loglikelihood = 0;  // sum of ln p(token | its context)
  std::uint64_t n_tokens = 0;
  std::uint64_t n_windows = 0;
  /// The same by tokens of context: those that the model had read of the text, prefix not counted.
  std::vector<ContextBucket> by_context;
};

/// The log-likelihood of a corpus. Document and LmEval take each document by itself; Blocks and
/// Sliding cut the whole corpus as one sequence. Either way each token of text counts once.
///
/// Sums are exact (train/evaluate/exact_sum.h), and what they add up depends on no batch and no
/// number of threads (train/evaluate/window_scorer.h): the result is the same to the last bit for
/// any of them. Memory: besides that of score_windows, about 120 bytes a window.
///
/// Throws BadData when there is nothing to score, NonFinite when a probability is not a number.
PerplexityScore score_corpus(const LanguageModel& model, const Corpus& corpus,
                             const PerplexityOptions& options,
                             const EvaluationProgress& progress = {});

/// The score as the figures that papers give, with the text's own words and bytes. Word and byte
/// perplexity are exp(-loglikelihood / words or bytes); that of words can pass the range of double.
struct PerplexityFigures {
  double token_perplexity = 0, word_perplexity = 0, byte_perplexity = 0;
  double bits_per_byte = 0;
  double unigram_bits_per_byte = 0;  // the baseline: entropy of the text's own byte frequencies
};
PerplexityFigures perplexity_figures(const PerplexityScore& score, const TextStatistics& text);

/// The loss that a training run watches: the Blocks protocol over the first tokens of a set,
/// end-of-document tokens counted, as in training.
struct TrainingLossOptions {
  std::int64_t length = 0;         // of the windows: data.sequence_length
  bool reset_at_documents = true;  // data.reset_at_documents
  std::uint64_t max_tokens = 0;    // the first tokens only; 0: all
  /// Windows in one pass on a GPU: no more than in training, so that what fits in training fits
  /// here. 0, and on a CPU: see WindowScoring.
  std::int64_t rows = 0;
};
PerplexityOptions perplexity_options(const TrainingLossOptions& options);

}  // namespace krait
