#include "train/evaluate/perplexity.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <vector>

#include "core/target.h"
#include "train/evaluate/context_buckets.h"

namespace krait {
namespace {

using Windows = std::vector<PerplexityWindow>;

bool takes_documents_singly(PerplexityProtocol protocol) {
  return protocol == PerplexityProtocol::Document || protocol == PerplexityProtocol::LmEval;
}

/// The windows of the corpus, as places in its sequence x.
Windows corpus_windows(const Corpus& corpus, const PerplexityOptions& o) {
  if (!takes_documents_singly(o.windowing.protocol)) {
    std::uint64_t n = corpus.ends.back() - (o.score_end_of_document ? 0 : 1);
    if (o.max_tokens > 0) n = std::min(n, o.max_tokens);
    return perplexity_windows(o.windowing, n);
  }
  Windows all;
  for (std::size_t i = 0; i + 1 < corpus.ends.size(); ++i) {
    const std::uint64_t start = corpus.ends[i], n = corpus.ends[i + 1] - start - 1;
    for (PerplexityWindow w :
         perplexity_windows(o.windowing, n + (o.score_end_of_document ? 1 : 0))) {
      w.begin += start, w.scored += start, w.end += start;
      all.push_back(w);
    }
  }
  return all;
}

std::uint64_t scored_tokens(const Windows& windows) {
  std::uint64_t n = 0;
  for (const PerplexityWindow& w : windows) n += w.end - w.scored;
  return n;
}

/// Reads windows of a corpus and adds up their losses.
class CorpusScorer {
 public:
  CorpusScorer(const Corpus& corpus, const PerplexityOptions& options)
      : corpus_(corpus), options_(options), windows_(corpus_windows(corpus, options)) {}

  PerplexityScore score(const MambaLM& model, const EvaluationProgress& progress) {
    const std::uint64_t total = scored_tokens(windows_);
    std::uint64_t done = 0;
    score_windows(model,
                  {.windows = windows_,
                   .read = [this](const PerplexityWindow& w) { return read(w); },
                   .visit =
                       [&](const WindowLosses& losses) {
                         add(losses);
                         done += losses.targets.size();
                         if (progress) progress(done, total);
                       }},
                  options_.scoring);
    KRAIT_CHECK(BadData, n_tokens_ > 0,
                "there is no text to score; give one with at least one character",
                options_.windowing.drop_last ? ", or fewer tokens than fill a window." : ".");
    return {.loglikelihood = -losses_.value(),
            .n_tokens = n_tokens_,
            .n_windows = windows_.size(),
            .by_context = by_context_.buckets()};
  }

 private:
  /// Places of the end-of-document tokens in x[begin, end).
  std::span<const std::uint64_t> ends_in(std::uint64_t begin, std::uint64_t end) const {
    const auto from = std::ranges::lower_bound(corpus_.ends, begin);
    const auto to = std::ranges::lower_bound(corpus_.ends, end);
    return {from, to};
  }
  bool is_end(std::uint64_t place) const { return !ends_in(place, place + 1).empty(); }
  bool resets() const {
    return options_.windowing.protocol == PerplexityProtocol::Blocks && options_.reset_at_documents;
  }

  WindowTokens read(const PerplexityWindow& w) const {
    WindowTokens text;
    text.tokens.resize(w.end - w.begin);
    corpus_.copy(w.begin, text.tokens);
    text.targets.assign(text.tokens.begin() + static_cast<std::ptrdiff_t>(w.scored - w.begin),
                        text.tokens.end());
    if (!options_.score_end_of_document) {
      for (const std::uint64_t end : ends_in(w.scored, w.end)) {
        text.targets[end - w.scored] = kIgnoreIndex;
      }
    }
    if (options_.prefix_token && starts_text(w)) text.tokens.front() = *options_.prefix_token;
    if (resets()) text.sequence_ids = sequence_ids(w);
    return text;
  }
  /// Whether x[begin] is there only to predict the first token of a text.
  bool starts_text(const PerplexityWindow& w) const {
    const PerplexityProtocol protocol = options_.windowing.protocol;
    if (takes_documents_singly(protocol)) return is_end(w.begin);
    return protocol == PerplexityProtocol::Sliding && w.begin == 0;
  }
  /// The number of the document that each input belongs to; empty when there is only one.
  std::vector<std::int32_t> sequence_ids(const PerplexityWindow& w) const {
    const auto ends = ends_in(w.begin + 1, w.end - 1);
    if (ends.empty()) return {};
    std::vector<std::int32_t> ids(w.end - 1 - w.begin);
    for (const std::uint64_t end : ends) ids[end - w.begin] = 1;
    for (std::size_t i = 1; i < ids.size(); ++i) ids[i] += ids[i - 1];
    return ids;
  }

  void add(const WindowLosses& losses) {
    const PerplexityWindow& w = windows_[losses.window];
    std::uint64_t start = w.begin;  // of what the model has read
    if (w.carries) start = *std::prev(std::ranges::upper_bound(corpus_.ends, w.begin));
    std::uint64_t prefix = is_end(start) ? 1 : 0;
    auto end = std::ranges::lower_bound(corpus_.ends, w.scored);
    for (std::size_t i = 0; i < losses.targets.size(); ++i) {
      const std::uint64_t place = w.scored + i;
      if (losses.targets[i] != kIgnoreIndex) {
        KRAIT_CHECK(NonFinite, std::isfinite(losses.losses[i]), "the model gives token ", place - 1,
                    " of the text a probability that is not a number; its training went wrong: use "
                    "an earlier checkpoint.");
        losses_.add(losses.losses[i]);
        by_context_.add(place - start - prefix, losses.losses[i]);
        ++n_tokens_;
      }
      if (resets() && end != corpus_.ends.end() && *end == place) start = *end++, prefix = 1;
    }
  }

  const Corpus& corpus_;
  const PerplexityOptions& options_;
  const Windows windows_;
  ExactSum losses_;
  ContextBuckets by_context_;
  std::uint64_t n_tokens_ = 0;
};

}  // namespace

PerplexityScore score_corpus(const MambaLM& model, const Corpus& corpus,
                             const PerplexityOptions& options, const EvaluationProgress& progress) {
  return CorpusScorer(corpus, options).score(model, progress);
}

PerplexityFigures perplexity_figures(const PerplexityScore& score, const TextStatistics& text) {
  const auto perplexity = [&](std::uint64_t count) {
    return std::exp(-score.loglikelihood / static_cast<double>(count));
  };
  const double bits = -score.loglikelihood / std::numbers::ln2;
  return {.token_perplexity = perplexity(score.n_tokens),
          .word_perplexity = perplexity(text.words),
          .byte_perplexity = perplexity(text.bytes),
          .bits_per_byte = bits / static_cast<double>(text.bytes),
          .unigram_bits_per_byte = text.unigram_bits_per_byte()};
}

PerplexityOptions perplexity_options(const TrainingLossOptions& o) {
  return {.windowing = {.protocol = PerplexityProtocol::Blocks,
                        .length = static_cast<std::uint64_t>(o.length)},
          .reset_at_documents = o.reset_at_documents,
          .score_end_of_document = true,
          .max_tokens = o.max_tokens,
          .scoring = {.forward_tokens = o.rows * o.length}};
}

}  // namespace krait
