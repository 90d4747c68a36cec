#include "train/evaluate/choice_tasks.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "core/system/parallel.h"
#include "data/tokenizer/make_tokenizer.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_model.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

/// Bytes, but a blank with the letter after it is one token: 256 + letter.
class PairTokenizer final : public Tokenizer {
 public:
  std::int64_t vocab_size() const override { return 513; }
  Ids encode(std::string_view text) const override {
    Ids ids;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool pair = text[i] == ' ' && i + 1 < text.size() && text[i + 1] != ' ';
      ids.push_back(pair ? 256 + text[++i] : static_cast<unsigned char>(text[i]));
    }
    return ids;
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (const std::int32_t id : ids) {
      if (id >= 256) text += ' ';
      text += static_cast<char>(id % 256);
    }
    return text;
  }
  std::int32_t end_of_document() const override { return 512; }
  TokenizerIdentity identity() const override { return {"pairs", ""}; }
  std::size_t safe_cut(std::string_view) const override { return 0; }
};

TEST(EncodePair, BlanksAtTheEndOfTheContextBelongToTheContinuation) {
  const PairTokenizer t;
  const auto pair = encode_pair(t, "a b", " c");
  EXPECT_EQ(pair.context, (Ids{'a', 256 + 'b'}));
  EXPECT_EQ(pair.continuation, (Ids{256 + 'c'}));
  // encoded by itself, "a b " would end with a blank of its own, and "c" be a bare letter
  EXPECT_EQ(encode_pair(t, "a b ", "c").context, pair.context);
  EXPECT_EQ(encode_pair(t, "a b ", "c").continuation, pair.continuation);
  EXPECT_EQ(encode_pair(t, "a\n \u00a0", " c").context, (Ids{'a'}));
  EXPECT_EQ(encode_pair(t, "a\n ", " c").continuation, (Ids{'\n', ' ', 256 + 'c'}));
}

TEST(EncodePair, AnEmptyContextIsThePrefixToken) {
  const PairTokenizer t;
  EXPECT_EQ(encode_pair(t, "", " c").context, Ids{512});
  EXPECT_EQ(encode_pair(t, "", " c").continuation, Ids{256 + 'c'});
  EXPECT_EQ(encode_pair(t, " \n", "c").context, Ids{512});
  EXPECT_EQ(encode_pair(t, " \n", "c").continuation, (Ids{256 + '\n', 'c'}));
  const NumberTokenizer numbers(19);
  EXPECT_EQ(encode_pair(numbers, "", " 3").context, Ids{18});
}

// Made with _encode_pair, and loglikelihood's case of an empty context, of lm-evaluation-harness
// 0.4.13 over the original tokenizers library.
TEST(EncodePair, GivesTheTokensOfTheHarness) {
  const std::string tests = std::string(KRAIT_SOURCE_DIR) + "/tests/";
  const auto tokenizer = make_tokenizer(tests + "golden/tokenizer.json");
  const auto cases =
      nlohmann::json::parse(read_file(tests + "train/evaluate/encode_pair_cases.json"));
  EXPECT_GE(cases.size(), 90u);
  for (const auto& c : cases) {
    const auto context = c["context"].get<std::string>();
    const auto continuation = c["continuation"].get<std::string>();
    const EncodedPair pair = encode_pair(*tokenizer, context, continuation);
    EXPECT_EQ(pair.context, c["context_ids"].get<Ids>()) << context << '|' << continuation;
    EXPECT_EQ(pair.continuation, c["continuation_ids"].get<Ids>())
        << context << '|' << continuation;
  }
}

/// Questions about numbers, for the tiny model.
TaskFile choices_file() {
  TaskFile file{.path = "task.jsonl", .kind = TaskKind::MultipleChoice};
  file.examples.push_back(
      {.context = "3 1 4 1 5", .choices = {"9 2", "6", "5 3 5"}, .gold = 1, .line = 1});
  file.examples.push_back({.context = "2", .choices = {"7 1 8 2 8", "1 8"}, .gold = 0, .line = 2});
  return file;
}
TaskFile words_file() {
  TaskFile file{.path = "words.jsonl", .kind = TaskKind::LastWord};
  for (std::size_t i = 0; i < 40; ++i) {
    const Ids ids = random_tokens(1 + i % 7, 18, i);
    std::string context;
    for (const std::int32_t id : ids) context += std::to_string(id) + " ";
    file.examples.push_back({.context = context,
                             .choices = {(i % 2 == 0 ? " " : "") + std::to_string(i % 18)},
                             .line = i + 1});
  }
  return file;
}

/// ln p(continuation | context) and whether it is the likeliest throughout.
ExampleScore::Choice by_definition(const MambaLM& model, Ids context, const Ids& continuation) {
  ExampleScore::Choice choice{.n_tokens = continuation.size(), .greedy = true};
  for (const std::int32_t id : continuation) {
    const auto p = next_log_probabilities(model, context);
    choice.loglikelihood += p[static_cast<std::size_t>(id)];
    choice.greedy = choice.greedy && std::ranges::max_element(p) - p.begin() == id;
    context.push_back(id);
  }
  return choice;
}

TEST(Tasks, ScoresAreThoseOfTheContinuationsTokens) {
  const MambaLM model(tiny_config(DType::F64));
  initialise_tiny(model);
  const NumberTokenizer tokenizer(19);
  std::size_t greedy = 0;
  for (const TaskFile& file : {choices_file(), words_file()}) {
    for (const std::int64_t tokens : {0, 50}) {
      const auto scores =
          score_task(model, tokenizer, file, {.scoring = {.forward_tokens = tokens}});
      ASSERT_EQ(scores.size(), file.examples.size());
      for (std::size_t e = 0; e < scores.size(); ++e) {
        const TaskExample& example = file.examples[e];
        for (std::size_t c = 0; c < example.choices.size(); ++c) {
          const auto expected = by_definition(model, tokenizer.encode(example.context),
                                              tokenizer.encode(example.choices[c]));
          EXPECT_NEAR(scores[e].choices[c].loglikelihood, expected.loglikelihood, 1e-12);
          EXPECT_EQ(scores[e].choices[c].n_tokens, expected.n_tokens);
          EXPECT_EQ(scores[e].choices[c].greedy, expected.greedy);
          greedy += expected.greedy;
        }
      }
    }
  }
  EXPECT_GT(greedy, 0u);  // so that both outcomes were seen
}

TEST(Tasks, LongContextsLoseTheirStart) {
  const MambaLM model(tiny_config(DType::F64));
  initialise_tiny(model);
  const NumberTokenizer tokenizer(19);
  TaskFile file = choices_file();
  file.examples.pop_back();
  const auto scores = score_task(model, tokenizer, file, {.max_length = 4});
  // at most four inputs: five tokens of context and choice, the last of which is only predicted
  EXPECT_NEAR(scores[0].choices[2].loglikelihood,
              by_definition(model, {1, 5}, {5, 3, 5}).loglikelihood, 1e-12);
  EXPECT_NEAR(scores[0].choices[1].loglikelihood,
              by_definition(model, {1, 4, 1, 5}, {6}).loglikelihood, 1e-12);
  expect_error(ErrorKind::BadData, {"task.jsonl:1", "choice 2", "`max_length`"},
               [&] { score_task(model, tokenizer, file, {.max_length = 2}); });
}

DEVICE_TEST(Tasks, DigitsDependNeitherOnTheBatchNorOnTheThreads) {
  MambaConfig config = tiny_config(DType::F32);
  config.d_model = 72;
  const MambaLM model(config);
  initialise_tiny(model);
  model.place(testing::test_device());
  const NumberTokenizer tokenizer(19);
  const int threads_before = thread_count();
  std::vector<double> expected;
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    for (const std::int64_t batch : {1, 3, 8}) {
      std::vector<double> found;
      for (const ExampleScore& score :
           score_task(model, tokenizer, words_file(), {.scoring = {.batch = batch}})) {
        found.push_back(score.choices[0].loglikelihood);
      }
      if (expected.empty()) expected = found;
      EXPECT_EQ(found, expected);
    }
  }
  set_thread_count(threads_before);
}

TEST(Tasks, AChoiceWithoutTokensOfItsOwnIsBadData) {
  const MambaLM model(tiny_config(DType::F64));
  initialise_tiny(model);
  TaskFile file = choices_file();
  file.examples[1].choices[1] = " ";
  expect_error(ErrorKind::BadData, {"task.jsonl:2", "choice 1", "0 tokens"},
               [&] { score_task(model, NumberTokenizer(19), file, {}); });
}

TEST(Tasks, ChoicesAreComparedWholePerCharacterAndPerByte) {
  TaskFile file{.kind = TaskKind::MultipleChoice};
  // lengths in characters 2, 4, 3; in bytes 2, 4, 9
  file.examples.assign(4, {.choices = {"ab", "abcd", "\u3042\u3044\u3046"}});
  for (std::size_t i = 0; i < 4; ++i) file.examples[i].gold = i % 3;
  const auto score = [](double a, double b, double c) {
    return ExampleScore{{{.loglikelihood = a}, {.loglikelihood = b}, {.loglikelihood = c}}};
  };
  // best: 0 whole, 1 per character, 2 per byte; then the first of equals
  const std::vector<ExampleScore> scores{score(-3, -4, -5), score(-3, -4, -5), score(-3, -4, -5),
                                         score(-2, -4, -2)};
  const auto figures = task_figures(file, scores);
  ASSERT_EQ(figures.size(), 3u);
  EXPECT_EQ(figures[0].name, "acc");
  EXPECT_EQ(figures[0].value, 0.5);  // examples 0 and 3
  EXPECT_EQ(figures[1].name, "acc_norm");
  EXPECT_EQ(figures[1].value, 0.25);  // example 1; the last says 2
  EXPECT_EQ(figures[2].name, "acc_bytes");
  EXPECT_EQ(figures[2].value, 0.25);  // example 2; the last says 2
  // sqrt(sum (x - mean)^2 / (n - 1)) / sqrt(n)
  EXPECT_DOUBLE_EQ(figures[0].standard_error, std::sqrt(1.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(figures[1].standard_error, std::sqrt(0.75 / 3) / 2);
}

TEST(Tasks, LastWordsGiveAPerplexityAndTheShareOfGreedyOnes) {
  TaskFile file{.kind = TaskKind::LastWord};
  file.examples.assign(3, {.choices = {"x"}});
  const std::vector<ExampleScore> scores{{{{.loglikelihood = -1, .greedy = true}}},
                                         {{{.loglikelihood = -2}}},
                                         {{{.loglikelihood = -6, .greedy = true}}}};
  const auto figures = task_figures(file, scores);
  ASSERT_EQ(figures.size(), 2u);
  EXPECT_EQ(figures[0].name, "perplexity");
  EXPECT_DOUBLE_EQ(figures[0].value, std::exp(3));
  EXPECT_DOUBLE_EQ(figures[0].standard_error, std::exp(3) * std::sqrt(14.0 / 2 / 3));
  EXPECT_EQ(figures[1].name, "acc");
  EXPECT_DOUBLE_EQ(figures[1].value, 2.0 / 3);
  file.examples.resize(1);
  EXPECT_TRUE(std::isnan(task_figures(file, {scores[0]})[0].standard_error));
}

}  // namespace
}  // namespace krait
