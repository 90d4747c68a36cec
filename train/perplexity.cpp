#include "train/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "autograd/view.h"
#include "core/parallel.h"

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

struct WindowScore {
  double loglikelihood = 0;
  std::uint64_t n_tokens = 0;
};

template <class T>
double sum_of(const Tensor& values) {
  double sum = 0;
  for (const T value : values.span<T>()) sum += static_cast<double>(value);
  return sum;
}

/// Scores single windows. Const, so that several threads may.
class WindowScorer {
 public:
  WindowScorer(const MambaLM& model, const Corpus& corpus, const PerplexityOptions& options)
      : model_(model), corpus_(corpus), options_(options) {}

  /// `state` is what the window before ended with, and becomes what this one does if `keep_state`.
  WindowScore score(const PerplexityWindow& w, MambaState* state, bool keep_state) const {
    std::vector<std::int32_t> x(w.end - w.begin);
    corpus_.copy(w.begin, x);
    const auto length = static_cast<std::int64_t>(x.size()) - 1;
    const auto first = static_cast<std::int64_t>(w.scored - w.begin) - 1;  // input that counts
    const Tensor ids = here({1, length}, std::span(x).first(x.size() - 1));
    const MambaHidden out = model_.forward(ids, {.initial = state->empty() ? nullptr : state,
                                                 .sequence_ids = sequence_ids(w),
                                                 .want_final = keep_state});
    if (keep_state) *state = out.final;

    WindowScore result;
    const Tensor targets = scored_targets(w, x, &result.n_tokens);
    const Tensor losses =
        model_.losses(slice(out.hidden, 1, first, length), targets).value().to({});
    visit_float(losses.dtype(), "perplexity",
                [&](auto zero) { result.loglikelihood = -sum_of<decltype(zero)>(losses); });
    return result;
  }

 private:
  /// On the device of the model.
  Tensor here(const Shape& shape, std::span<const std::int32_t> values) const {
    return Tensor::from<std::int32_t>(shape, values).to(model_.device());
  }
  /// Places of the end-of-document tokens in x[begin, end).
  std::span<const std::uint64_t> ends_in(std::uint64_t begin, std::uint64_t end) const {
    const auto from = std::ranges::lower_bound(corpus_.ends, begin);
    const auto to = std::ranges::lower_bound(corpus_.ends, end);
    return {from, to};
  }

  Tensor scored_targets(const PerplexityWindow& w, std::span<const std::int32_t> x,
                        std::uint64_t* n_scored) const {
    std::vector<std::int32_t> targets(x.begin() + static_cast<std::ptrdiff_t>(w.scored - w.begin),
                                      x.end());
    *n_scored = targets.size();
    if (!options_.score_end_of_document) {
      for (const std::uint64_t end : ends_in(w.scored, w.end)) {
        targets[end - w.scored] = kIgnoreIndex;
        --*n_scored;
      }
    }
    return here({static_cast<std::int64_t>(targets.size())}, targets);
  }

  /// The number of the document that each input belongs to; undefined when there is only one.
  Tensor sequence_ids(const PerplexityWindow& w) const {
    const auto ends = ends_in(w.begin + 1, w.end - 1);
    const bool blocks = options_.windowing.protocol == PerplexityProtocol::Blocks;
    if (!blocks || !options_.reset_at_documents || ends.empty()) return {};
    std::vector<std::int32_t> ids(w.end - 1 - w.begin);
    for (const std::uint64_t end : ends) ids[end - w.begin] = 1;
    for (std::size_t i = 1; i < ids.size(); ++i) ids[i] += ids[i - 1];
    return here({1, static_cast<std::int64_t>(ids.size())}, ids);
  }

  const MambaLM& model_;
  const Corpus& corpus_;
  const PerplexityOptions& options_;
};

/// Where each run of windows with carried state starts, and the end of the last.
std::vector<std::size_t> chain_starts(const Windows& windows) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (!windows[i].carries) starts.push_back(i);
  }
  starts.push_back(windows.size());
  return starts;
}

std::uint64_t scored_tokens(const Windows& windows) {
  std::uint64_t n = 0;
  for (const PerplexityWindow& w : windows) n += w.end - w.scored;
  return n;
}

std::vector<WindowScore> score_windows(const WindowScorer& scorer, const Windows& windows,
                                       std::int64_t batch, const PerplexityProgress& progress) {
  std::vector<WindowScore> scores(windows.size());
  const std::vector<std::size_t> starts = chain_starts(windows);
  const auto n_chains = static_cast<std::int64_t>(starts.size()) - 1;
  const std::uint64_t total = scored_tokens(windows);
  const ExecutionContext context = current_context();
  std::uint64_t done = 0;

  const auto score_chain = [&](std::int64_t chain, bool report) {
    const ContextScope scope(context);
    const NoGradScope no_grad;
    MambaState state;
    const std::size_t end = starts[static_cast<std::size_t>(chain) + 1];
    for (std::size_t i = starts[static_cast<std::size_t>(chain)]; i < end; ++i) {
      scores[i] = scorer.score(windows[i], &state, i + 1 < end);
      if (report && progress) progress(done += windows[i].end - windows[i].scored, total);
    }
  };
  for (std::int64_t first = 0; first < n_chains; first += batch) {
    const std::int64_t last = std::min(first + batch, n_chains);
    if (last - first == 1) {  // not in a parallel loop, so that the kernels can use all threads
      score_chain(first, true);
      continue;
    }
    parallel_for(last - first, 1, [&](auto begin, auto end) {
      for (auto i = begin; i < end; ++i) score_chain(first + i, false);
    });
    const std::size_t end = starts[static_cast<std::size_t>(last)];
    for (std::size_t i = starts[static_cast<std::size_t>(first)]; i < end; ++i) {
      done += windows[i].end - windows[i].scored;
    }
    if (progress) progress(done, total);
  }
  return scores;
}

}  // namespace

PerplexityScore score_corpus(const MambaLM& model, const Corpus& corpus,
                             const PerplexityOptions& options, const PerplexityProgress& progress) {
  KRAIT_CHECK(Usage, options.batch >= 0, "--batch must be at least 1, got ", options.batch, ".");
  constexpr std::int64_t kWindowsPerThread = 4;  // windows take unequal times
  // On a GPU each window has the whole device.
  const std::int64_t batch = model.device().is_cuda() ? 1
                             : options.batch > 0      ? options.batch
                                                      : kWindowsPerThread * thread_count();
  const Windows windows = corpus_windows(corpus, options);
  const auto scores = score_windows(WindowScorer(model, corpus, options), windows, batch, progress);

  PerplexityScore result{.n_windows = windows.size()};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    KRAIT_CHECK(NonFinite, std::isfinite(scores[i].loglikelihood), "the model gives tokens ",
                windows[i].scored - 1, " to ", windows[i].end - 2,
                " of the text a probability that is not a number; its training went wrong: use an "
                "earlier checkpoint.");
    result.loglikelihood += scores[i].loglikelihood;
    result.n_tokens += scores[i].n_tokens;
  }
  KRAIT_CHECK(BadData, result.n_tokens > 0,
              "there is no text to score; give one with at least "
              "one character.");
  return result;
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

EvaluationResult evaluate_blocks(const MambaLM& model, const TokenSet& set,
                                 const EvaluationOptions& o) {
  const PerplexityScore score =
      score_corpus(model, corpus_of(set),
                   {.windowing = {.protocol = PerplexityProtocol::Blocks,
                                  .length = static_cast<std::uint64_t>(o.length)},
                    .reset_at_documents = o.reset_at_documents,
                    .score_end_of_document = true,
                    .max_tokens = o.max_tokens});
  return {.loss = -score.loglikelihood / static_cast<double>(score.n_tokens),
          .n_tokens = score.n_tokens};
}

}  // namespace krait
