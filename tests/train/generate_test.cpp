#include "train/generate.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/data/temporary_directory.h"
#include "tests/device.h"
#include "tests/train/tiny_model.h"

namespace krait {
namespace {

constexpr std::int32_t kNeverEnds = -1;

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
      EXPECT_EQ(generate_tokens(model_, prompt, kNeverEnds, o).tokens, expected)
          << "temperature " << temperature << " prefill " << prefill;
    }
  }
}

using GpuGenerate = Generate;
TEST_F(GpuGenerate, AGreedyTextIsThatOfTheCpu) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::vector<std::int32_t> prompt = random_tokens(13, 19, 1);
  GenerateOptions o{.max_tokens = 30, .sampling = {.temperature = 0}, .prefill_length = 5};
  const auto expected = generate_tokens(model_, prompt, kNeverEnds, o).tokens;
  const MambaLM f32(tiny_config(DType::F32));
  initialise_tiny(f32);
  f32.place(testing::kGpu);
  MambaConfig mixed = tiny_config(DType::F32);
  mixed.compute = DType::BF16;
  const MambaLM bf16(mixed);
  initialise_tiny(bf16);
  bf16.place(testing::kGpu);
  const testing::TestDeviceScope scope(testing::kGpu);
  EXPECT_EQ(generate_tokens(f32, prompt, kNeverEnds, o).tokens, expected);
  o.sampling.temperature = 1;  // other tokens, since rounding moves the probabilities; but tokens
  EXPECT_EQ(generate_tokens(bf16, prompt, kNeverEnds, o).tokens.size(), 30u);
}

TEST_F(Generate, TheSeedDecidesTheText) {
  const std::vector<std::int32_t> prompt{1, 2, 3};
  GenerateOptions o{.max_tokens = 40, .seed = 5};
  const auto first = generate_tokens(model_, prompt, kNeverEnds, o);
  EXPECT_EQ(generate_tokens(model_, prompt, kNeverEnds, o).tokens, first.tokens);
  o.seed = 6;
  EXPECT_NE(generate_tokens(model_, prompt, kNeverEnds, o).tokens, first.tokens);
  // a longer text of the same seed begins with the shorter one
  o = {.max_tokens = 60, .seed = 5};
  const auto longer = generate_tokens(model_, prompt, kNeverEnds, o).tokens;
  EXPECT_EQ(std::vector(longer.begin(), longer.begin() + 40), first.tokens);
}

TEST_F(Generate, NeverPicksThePaddingOfTheVocabulary) {
  for (const Variable& v : model_.variables()) v.value().zero();  // all 24 rows equally likely
  std::set<std::int32_t> seen;
  const GenerateOptions o{.max_tokens = 600};
  for (const auto id : generate_tokens(model_, std::vector{0}, kNeverEnds, o).tokens) {
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 19u);
  EXPECT_EQ(*seen.rbegin(), 18);
}

TEST_F(Generate, StopsAtTheEndOfTheDocumentAndGivesEachTokenOnce) {
  const std::vector<std::int32_t> prompt{4, 9};
  const GenerateOptions o{.max_tokens = 50, .seed = 2};
  const auto all = generate_tokens(model_, prompt, kNeverEnds, o).tokens;
  const std::int32_t end = all[20];
  const auto until = std::find(all.begin(), all.end(), end);
  std::vector<std::int32_t> given;
  const auto stopped =
      generate_tokens(model_, prompt, end, o, [&](std::int32_t id) { given.push_back(id); });
  EXPECT_TRUE(stopped.ended);
  EXPECT_EQ(stopped.tokens, std::vector(all.begin(), until));
  EXPECT_EQ(given, stopped.tokens);
  EXPECT_FALSE(generate_tokens(model_, prompt, kNeverEnds, o).ended);
  EXPECT_TRUE(generate_tokens(model_, prompt, kNeverEnds, {.max_tokens = 0}).tokens.empty());
}

TEST_F(Generate, AnOptionOutOfRangeIsAUsageError) {
  expect_error(ErrorKind::Usage, {"--max-tokens", "-1"},
               [&] { generate_tokens(model_, std::vector{0}, kNeverEnds, {.max_tokens = -1}); });
  expect_error(ErrorKind::Usage, {"--top-p", "2"}, [&] {
    generate_tokens(model_, std::vector{0}, kNeverEnds, {.sampling = {.top_p = 2}});
  });
}

TEST(GenerateText, StreamsValidUtf8WhateverBytesTheModelWrites) {
  MambaConfig config = tiny_config(DType::F32);
  config.vocab_size = 257;
  const MambaLM model(config);
  initialise_tiny(model);
  const ByteTokenizer tokenizer;
  std::string streamed;
  // a hot random model writes all bytes, most of them no UTF-8
  const GenerateOptions o{.max_tokens = 300, .sampling = {.temperature = 50}, .seed = 1};
  const GeneratedText result = generate(model, tokenizer, "caf\u00e9", o, [&](std::string_view s) {
    EXPECT_FALSE(s.empty());
    streamed += s;
  });
  EXPECT_EQ(streamed, result.text);
  EXPECT_NE(result.text.find("\ufffd"), std::string::npos);
  const std::string bytes = tokenizer.decode(result.tokens);
  std::size_t kept = 0;  // characters that are ASCII come through as they are
  for (const char c : bytes) kept += static_cast<unsigned char>(c) < 0x80 ? 1 : 0;
  std::size_t ascii = 0;
  for (const char c : result.text) ascii += static_cast<unsigned char>(c) < 0x80 ? 1 : 0;
  EXPECT_EQ(ascii, kept);
}

TEST(GenerateText, AnEmptyPromptStartsADocument) {
  MambaConfig config = tiny_config(DType::F32);
  config.vocab_size = 257;
  const MambaLM model(config);
  initialise_tiny(model);
  const ByteTokenizer tokenizer;
  const GenerateOptions o{.max_tokens = 20, .sampling = {.temperature = 0}};
  EXPECT_EQ(generate(model, tokenizer, "", o).tokens,
            generate_tokens(model, std::vector{256}, 256, o).tokens);
  EXPECT_EQ(generate(model, tokenizer, "ab", o).tokens,
            generate_tokens(model, std::vector{97, 98}, 256, o).tokens);
}

}  // namespace
}  // namespace krait
