// Multiple-choice and last-word tasks, scored as in lm-evaluation-harness.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "layers/models/language_model.h"
#include "train/evaluate/choice_file.h"
#include "train/evaluate/window_scorer.h"

namespace krait {

/// Increased when a task gives other figures for the same model and file than before.
inline constexpr int kTaskVersion = 1;

/// A context and its continuation, as tokens.
struct EncodedPair {
  std::vector<std::int32_t> context;  // at least one
  std::vector<std::int32_t> continuation;
};
/// Encodes as the harness does (_encode_pair, and loglikelihood for an empty context): white space
/// at the end of the context moves to the continuation, both are encoded together, and the
/// continuation is what comes after as many tokens as the context has alone. An empty context is
/// the prefix token, unless the continuation starts with it and so brings its own.
EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context,
                        std::string_view continuation);

struct TaskOptions {
  /// The most inputs that the model sees; a longer context loses its start.
  std::int64_t max_length = 2048;
  WindowScoring scoring;
};

/// The model's scores for one example.
struct ExampleScore {
  struct Choice {
    double loglikelihood = 0;  // sum of ln p over its tokens
    std::uint64_t n_tokens = 0;
    bool greedy = false;  // each of its tokens is the likeliest one
  };
  std::vector<Choice> choices;
};

/// Choices done, and choices in all.
using TaskProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Scores all choices of all examples: " " and the choice, given the context. (A target that
/// starts with white space of its own gets no blank.) Batched and exact as score_windows says.
///
/// Throws BadData, "file:line: ...", when a choice has no token of its own or more than max_length,
/// and NonFinite when the model gives a probability that is not a number.
std::vector<ExampleScore> score_task(const LanguageModel& model, const Tokenizer& tokenizer,
                                     const TaskFile& file, const TaskOptions& options,
                                     const TaskProgress& progress = {});

/// A mean over examples, with its standard error (sample deviation / sqrt(n); NaN for one example).
struct TaskFigure {
  std::string name;
  double value = 0, standard_error = 0;
};
/// MultipleChoice: acc, the share of examples whose right choice has the largest log-likelihood
/// (the first of equals counts); acc_norm and acc_bytes, the same with log-likelihoods divided by
/// the choice's length in characters and bytes. LastWord: perplexity, exp(-mean log-likelihood of
/// the targets), with the error that follows from that of the mean (the harness draws bootstrap
/// samples for it); and acc, the share of targets that greedy decoding would write.
std::vector<TaskFigure> task_figures(const TaskFile& file, const std::vector<ExampleScore>& scores);

}  // namespace krait
