#include "train/generate/generate.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory/allocator.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_model.h"

namespace krait {
namespace {

constexpr std::int32_t kNeverEnds = -1;

/// One prompt alone.
GeneratedTokens continued(const MambaLM& model, const TokenIds& prompt, std::int32_t end,
                          const GenerateOptions& options, const OnToken& on_token = {}) {
  return generate_tokens(model, std::vector<TokenIds>{prompt}, end, options, on_token).at(0);
}
GeneratedText continued(const MambaLM& model, const std::string& prompt,
                        const GenerateOptions& options, const OnText& on_text = {}) {
  return generate(model, ByteTokenizer(), std::vector<std::string>{prompt}, options, on_text).at(0);
}

class Generate : public ::testing::Test {
 protected:
  Generate() : model_(tiny_config(DType::F64)) { initialise_tiny(model_); }
  MambaLM model_;
};

/// The next token's logits after `ids`, from one forward pass over all of them.
std::vector<double> whole_logits(const MambaLM& model, const std::vector<std::int32_t>& ids) {
  const NoGradScope no_grad;
  const Tensor x = Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(ids.size())},
                                              std::span<const std::int32_t>(ids));
  const Tensor logits = model.logits(model.forward(x).hidden).value();
  const auto last = logits.span<double>().last(static_cast<std::size_t>(logits.size(-1)));
  return {last.begin(), last.begin() + model.config().vocab_size};
}

TEST_F(Generate, IsWhatWholeForwardPassesAndTheSamplerGive) {
  GenerateOptions o{.max_tokens = 30, .seed = 11};
  const std::vector<std::int32_t> prompt = random_tokens(13, 19, 1);
  for (const double temperature : {0.0, 1.0}) {
    o.sampling = {.temperature = temperature, .top_k = 12, .top_p = 0.95};
    std::vector<std::int32_t> ids = prompt;
    const RandomStream random{.seed = 11, .purpose = RandomPurpose::Sample};
    for (std::uint64_t i = 0; i < 30; ++i) {
      ids.push_back(sample_token(whole_logits(model_, ids), o.sampling, random.uniform(i)));
    }
    const std::vector<std::int32_t> expected(ids.begin() + 13, ids.end());
    for (const std::int64_t prefill : {1, 4, 13, 512}) {
      o.prefill_length = prefill;
      EXPECT_EQ(continued(model_, prompt, kNeverEnds, o).tokens, expected)
          << "temperature " << temperature << " prefill " << prefill;
    }
  }
}

using GpuGenerate = Generate;
TEST_F(GpuGenerate, AGreedyTextIsThatOfTheCpu) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::vector<std::int32_t> prompt = random_tokens(13, 19, 1);
  GenerateOptions o{.max_tokens = 30, .sampling = {.temperature = 0}, .prefill_length = 5};
  const auto expected = continued(model_, prompt, kNeverEnds, o).tokens;
  const MambaLM f32(tiny_config(DType::F32));
  initialise_tiny(f32);
  f32.place(testing::kGpu);
  MambaConfig mixed = tiny_config(DType::F32);
  mixed.compute = DType::BF16;
  const MambaLM bf16(mixed);
  initialise_tiny(bf16);
  bf16.place(testing::kGpu);
  const testing::TestDeviceScope scope(testing::kGpu);
  EXPECT_EQ(continued(f32, prompt, kNeverEnds, o).tokens, expected);
  o.sampling.temperature = 1;  // other tokens, since rounding moves the probabilities; but tokens
  EXPECT_EQ(continued(bf16, prompt, kNeverEnds, o).tokens.size(), 30u);
}

TEST_F(GpuGenerate, PromptsSideBySideAreContinuedAsOnTheCpu) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::vector<TokenIds> prompts{random_tokens(13, 19, 1), {5}, random_tokens(40, 19, 2), {1}};
  const GenerateOptions o{.max_tokens = 25, .sampling = {.temperature = 0}, .batch = 3};
  const auto expected = generate_tokens(model_, prompts, kNeverEnds, o);
  const MambaLM f32(tiny_config(DType::F32));
  initialise_tiny(f32);
  f32.place(testing::kGpu);
  const testing::TestDeviceScope scope(testing::kGpu);
  const auto texts = generate_tokens(f32, prompts, kNeverEnds, o);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(texts[i].tokens, expected[i].tokens) << "prompt " << i;
  }
}

TEST_F(Generate, TheSeedDecidesTheText) {
  const std::vector<std::int32_t> prompt{1, 2, 3};
  GenerateOptions o{.max_tokens = 40, .seed = 5};
  const auto first = continued(model_, prompt, kNeverEnds, o);
  EXPECT_EQ(continued(model_, prompt, kNeverEnds, o).tokens, first.tokens);
  o.seed = 6;
  EXPECT_NE(continued(model_, prompt, kNeverEnds, o).tokens, first.tokens);
  // a longer text of the same seed begins with the shorter one
  o = {.max_tokens = 60, .seed = 5};
  const auto longer = continued(model_, prompt, kNeverEnds, o).tokens;
  EXPECT_EQ(std::vector(longer.begin(), longer.begin() + 40), first.tokens);
}

TEST_F(Generate, NeverPicksThePaddingOfTheVocabulary) {
  for (const Variable& v : model_.variables()) v.value().zero();  // all 24 rows equally likely
  std::set<std::int32_t> seen;
  const GenerateOptions o{.max_tokens = 600};
  for (const auto id : continued(model_, TokenIds{0}, kNeverEnds, o).tokens) {
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 19u);
  EXPECT_EQ(*seen.rbegin(), 18);
}

TEST_F(Generate, StopsAtTheEndOfTheDocumentAndGivesEachTokenOnce) {
  const std::vector<std::int32_t> prompt{4, 9};
  const GenerateOptions o{.max_tokens = 50, .seed = 2};
  const auto all = continued(model_, prompt, kNeverEnds, o).tokens;
  const std::int32_t end = all[20];
  const auto until = std::find(all.begin(), all.end(), end);
  std::vector<std::int32_t> given;
  const auto stopped = continued(model_, prompt, end, o, [&](std::size_t number, std::int32_t id) {
    EXPECT_EQ(number, 0u);
    given.push_back(id);
    return true;
  });
  EXPECT_EQ(stopped.finish, FinishReason::EndOfDocument);
  EXPECT_EQ(stopped.tokens, std::vector(all.begin(), until));
  EXPECT_EQ(given, stopped.tokens);
  EXPECT_EQ(continued(model_, prompt, kNeverEnds, o).finish, FinishReason::Length);
  EXPECT_TRUE(continued(model_, prompt, kNeverEnds, {.max_tokens = 0}).tokens.empty());
}

TEST_F(Generate, APromptGetsTheSameTokensWhateverIsBesideIt) {
  const std::vector<TokenIds> prompts{
      random_tokens(13, 19, 1), {5}, random_tokens(40, 19, 2), {18, 0, 18}, {2, 2}};
  GenerateOptions o{.max_tokens = 60, .sampling = {.repetition_penalty = 1.3}, .seed = 3};
  o.batch = 1;
  const auto alone = generate_tokens(model_, prompts, 7, o);
  std::set<std::size_t> lengths;  // texts end at different times, and rows change hands
  for (const GeneratedTokens& text : alone) lengths.insert(text.tokens.size());
  EXPECT_GE(lengths.size(), 3u);
  for (const std::int64_t batch : {2, 3, 8}) {
    o.batch = batch;
    std::vector<TokenIds> given(prompts.size());
    const auto together =
        generate_tokens(model_, prompts, 7, o, [&](std::size_t prompt, std::int32_t token) {
          given.at(prompt).push_back(token);
          return true;
        });
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(together[i].tokens, alone[i].tokens) << "prompt " << i << " batch " << batch;
      EXPECT_EQ(together[i].finish, alone[i].finish);
      EXPECT_EQ(given[i], together[i].tokens);
    }
  }
}

TEST_F(Generate, TextsOfOneSeedDifferByTheirNumber) {
  const std::vector<TokenIds> prompts(3, TokenIds{1, 2, 3});
  const auto texts = generate_tokens(model_, prompts, kNeverEnds, {.max_tokens = 30});
  EXPECT_NE(texts[0].tokens, texts[1].tokens);
  EXPECT_NE(texts[1].tokens, texts[2].tokens);
}

TEST_F(Generate, ThePenaltyCountsThePromptAndTheText) {
  const TokenIds prompt = random_tokens(6, 19, 1);
  const GenerateOptions o{.max_tokens = 20,
                          .sampling = {.temperature = 0, .repetition_penalty = 1.7}};
  TokenIds ids = prompt;
  for (int i = 0; i < 20; ++i) {
    std::vector<double> logits = whole_logits(model_, ids);
    std::vector<bool> seen(19);
    for (const std::int32_t id : ids) seen[static_cast<std::size_t>(id)] = true;
    penalise_repetition(logits, seen, 1.7);
    ids.push_back(sample_token(logits, o.sampling, 0));
  }
  EXPECT_EQ(continued(model_, prompt, kNeverEnds, o).tokens, TokenIds(ids.begin() + 6, ids.end()));
}

TEST_F(Generate, ThePeakOfMemoryDoesNotDependOnTheLength) {
  const auto peak = [&](std::int64_t tokens) {
    allocator({}).reset_peak();
    continued(model_, {1}, kNeverEnds, {.max_tokens = tokens});
    return allocator({}).statistics().peak;
  };
  EXPECT_EQ(peak(500), peak(10));
}

TEST_F(Generate, AnOptionOutOfRangeIsAUsageError) {
  expect_error(ErrorKind::Usage, {"`max_tokens`", "-1"},
               [&] { continued(model_, TokenIds{0}, kNeverEnds, {.max_tokens = -1}); });
  expect_error(ErrorKind::Usage, {"`top_p`", "2"},
               [&] { continued(model_, TokenIds{0}, kNeverEnds, {.sampling = {.top_p = 2}}); });
}

TEST(GenerateText, StreamsValidUtf8WhateverBytesTheModelWrites) {
  MambaConfig config = tiny_config(DType::F32);
  config.vocab_size = 257;
  const MambaLM model(config);
  initialise_tiny(model);
  std::string streamed;
  // a hot random model writes all bytes, most of them no UTF-8
  const GenerateOptions o{.max_tokens = 300, .sampling = {.temperature = 50}, .seed = 1};
  const GeneratedText result =
      continued(model, "caf\u00e9", o, [&](std::size_t number, std::string_view s) {
        EXPECT_EQ(number, 0u);
        EXPECT_FALSE(s.empty());
        streamed += s;
      });
  EXPECT_EQ(streamed, result.text);
  EXPECT_NE(result.text.find("\ufffd"), std::string::npos);
  const std::string bytes = ByteTokenizer().decode(result.tokens);
  std::size_t kept = 0;  // characters that are ASCII come through as they are
  for (const char c : bytes) kept += static_cast<unsigned char>(c) < 0x80 ? 1 : 0;
  std::size_t ascii = 0;
  for (const char c : result.text) ascii += static_cast<unsigned char>(c) < 0x80 ? 1 : 0;
  EXPECT_EQ(ascii, kept);
}

TEST(GenerateText, EndsBeforeAStopStringAndShowsNoPartOfIt) {
  MambaConfig config = tiny_config(DType::F32);
  config.vocab_size = 257;
  const MambaLM model(config);
  initialise_tiny(model);
  GenerateOptions o{.max_tokens = 200, .seed = 4};
  const std::string whole = continued(model, "x", o).text;
  // any run of three characters that are ASCII
  const auto plain = [&](std::size_t i) { return static_cast<unsigned char>(whole[i]) < 0x80; };
  std::size_t at = 10;
  while (!(plain(at) && plain(at + 1) && plain(at + 2))) ++at;
  const std::string stop = whole.substr(at, 3);
  o.stop = {"never that", stop};
  std::string streamed;
  const GeneratedText text =
      continued(model, "x", o, [&](std::size_t, std::string_view s) { streamed += s; });
  EXPECT_EQ(text.text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(streamed, text.text);
  EXPECT_EQ(text.finish, FinishReason::StopString);
  EXPECT_LT(text.tokens.size(), 200u);
}

TEST(GenerateText, AnEmptyPromptStartsADocument) {
  MambaConfig config = tiny_config(DType::F32);
  config.vocab_size = 257;
  const MambaLM model(config);
  initialise_tiny(model);
  const GenerateOptions o{.max_tokens = 20, .sampling = {.temperature = 0}};
  EXPECT_EQ(continued(model, "", o).tokens, continued(model, TokenIds{256}, 256, o).tokens);
  EXPECT_EQ(continued(model, "ab", o).tokens, continued(model, TokenIds{97, 98}, 256, o).tokens);
}

}  // namespace
}  // namespace krait
