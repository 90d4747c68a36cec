#include "train/evaluate/choice_tasks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "train/evaluate/white_space.h"

namespace krait {
namespace {

/// All choices of a task as windows of one long row of tokens.
struct Requests {
  std::vector<std::int32_t> tokens;
  std::vector<PerplexityWindow> windows;
  struct Origin {
    std::size_t example, choice;
  };
  std::vector<Origin> origins;  // of each window
};

std::string continuation_of(const TaskFile& file, const std::string& choice) {
  const bool own_blank = file.kind == TaskKind::LastWord && white_space_at(choice, 0) > 0;
  return own_blank ? choice : " " + choice;
}

Requests make_requests(const TaskFile& file, const Tokenizer& tokenizer, std::int64_t max_length) {
  Requests all;
  for (std::size_t e = 0; e < file.examples.size(); ++e) {
    const TaskExample& example = file.examples[e];
    for (std::size_t c = 0; c < example.choices.size(); ++c) {
      const EncodedPair pair =
          encode_pair(tokenizer, example.context, continuation_of(file, example.choices[c]));
      const auto n = static_cast<std::int64_t>(pair.continuation.size());
      KRAIT_CHECK(BadData, n > 0 && n <= max_length, file.path.string(), ":", example.line, ": ",
                  c == 0 && file.kind == TaskKind::LastWord ? "the target" : str("choice ", c),
                  " has ", n, " tokens after the context, and must have 1 to ", max_length,
                  n > max_length ? "; raise `max_length`." : "; give it more text.");
      const auto kept = std::min<std::int64_t>(static_cast<std::int64_t>(pair.context.size()),
                                               max_length + 1 - n);
      const std::size_t begin = all.tokens.size();
      all.tokens.insert(all.tokens.end(), pair.context.end() - kept, pair.context.end());
      const std::size_t scored = all.tokens.size();
      all.tokens.insert(all.tokens.end(), pair.continuation.begin(), pair.continuation.end());
      all.windows.push_back({.begin = begin, .scored = scored, .end = all.tokens.size()});
      all.origins.push_back({e, c});
    }
  }
  return all;
}

/// Characters of UTF-8, as Python's len counts them.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

TaskFigure mean_figure(std::string name, const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  const double error = values.size() > 1 ? std::sqrt(squares / (n - 1) / n)
                                         : std::numeric_limits<double>::quiet_NaN();
  return {std::move(name), sum / n, error};
}

/// The first choice with the largest log-likelihood over `length` of its text.
template <class Length>
std::size_t best_choice(const TaskExample& example, const ExampleScore& score, Length&& length) {
  std::size_t best = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < score.choices.size(); ++c) {
    const double value = score.choices[c].loglikelihood / length(example.choices[c]);
    if (value > most) best = c, most = value;
  }
  return best;
}

std::vector<TaskFigure> choice_figures(const TaskFile& file,
                                       const std::vector<ExampleScore>& scores) {
  std::vector<double> plain, by_characters, by_bytes;
  for (std::size_t e = 0; e < scores.size(); ++e) {
    const TaskExample& example = file.examples[e];
    const auto right = [&](auto&& length) {
      return best_choice(example, scores[e], length) == example.gold ? 1.0 : 0.0;
    };
    plain.push_back(right([](const std::string&) { return 1.0; }));
    by_characters.push_back(
        right([](const std::string& s) { return static_cast<double>(characters(s)); }));
    by_bytes.push_back(right([](const std::string& s) { return static_cast<double>(s.size()); }));
  }
  return {mean_figure("acc", plain), mean_figure("acc_norm", by_characters),
          mean_figure("acc_bytes", by_bytes)};
}

std::vector<TaskFigure> last_word_figures(const std::vector<ExampleScore>& scores) {
  std::vector<double> loglikelihoods, greedy;
  for (const ExampleScore& score : scores) {
    loglikelihoods.push_back(score.choices.front().loglikelihood);
    greedy.push_back(score.choices.front().greedy ? 1 : 0);
  }
  TaskFigure perplexity = mean_figure("perplexity", loglikelihoods);
  perplexity.value = std::exp(-perplexity.value);
  perplexity.standard_error *= perplexity.value;  // the derivative of exp
  return {std::move(perplexity), mean_figure("acc", greedy)};
}

}  // namespace

EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context,
                        std::string_view continuation) {
  const std::string_view kept = strip_end(context);
  const std::string whole = std::string(context) + std::string(continuation);
  EncodedPair pair{.continuation = tokenizer.encode(whole)};
  if (kept.empty()) {
    pair.context = {tokenizer.prefix_token()};
  } else {
    pair.context = tokenizer.encode(kept);
    const std::size_t n = std::min(pair.context.size(), pair.continuation.size());
    pair.continuation.erase(pair.continuation.begin(),
                            pair.continuation.begin() + static_cast<std::ptrdiff_t>(n));
  }
  if (kept.empty() && !pair.continuation.empty() &&
      pair.continuation.front() == pair.context.front()) {
    pair.continuation.erase(pair.continuation.begin());
  }
  return pair;
}

std::vector<ExampleScore> score_task(const LanguageModel& model, const Tokenizer& tokenizer,
                                     const TaskFile& file, const TaskOptions& options,
                                     const TaskProgress& progress) {
  KRAIT_CHECK(Usage, options.max_length >= 1, "`max_length` must be at least 1, got ",
              options.max_length, ".");
  const Requests requests = make_requests(file, tokenizer, options.max_length);
  std::vector<ExampleScore> scores(file.examples.size());
  for (std::size_t e = 0; e < scores.size(); ++e) {
    scores[e].choices.resize(file.examples[e].choices.size());
  }
  std::uint64_t done = 0;
  const auto visit = [&](const WindowLosses& found) {
    const auto [e, c] = requests.origins[found.window];
    ExampleScore::Choice& choice = scores[e].choices[c];
    for (const double loss : found.losses) choice.loglikelihood -= loss;
    KRAIT_CHECK(NonFinite, std::isfinite(choice.loglikelihood), file.path.string(), ":",
                file.examples[e].line, ": the model gives choice ", c,
                " a probability that is not a number; its training went wrong: use an earlier "
                "checkpoint.");
    choice.n_tokens = found.losses.size();
    choice.greedy = std::ranges::all_of(found.correct, [](std::uint8_t x) { return x != 0; });
    if (progress) progress(++done, requests.windows.size());
  };
  const auto read = [&](const PerplexityWindow& w) {
    const auto at = [&](std::uint64_t i) {
      return requests.tokens.begin() + static_cast<std::ptrdiff_t>(i);
    };
    return WindowTokens{.tokens = {at(w.begin), at(w.end)}, .targets = {at(w.scored), at(w.end)}};
  };
  score_windows(model, {.windows = requests.windows, .read = read, .visit = visit},
                options.scoring);
  return scores;
}

std::vector<TaskFigure> task_figures(const TaskFile& file,
                                     const std::vector<ExampleScore>& scores) {
  KRAIT_REQUIRE(scores.size() == file.examples.size() && !scores.empty(), "[task_figures] ",
                scores.size(), " scores for ", file.examples.size(), " examples.");
  return file.kind == TaskKind::MultipleChoice ? choice_figures(file, scores)
                                               : last_word_figures(scores);
}

}  // namespace krait
