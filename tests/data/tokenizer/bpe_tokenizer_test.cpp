#include "data/tokenizer/bpe_tokenizer.h"

#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "core/system/file.h"
#include "data/tokenizer/make_tokenizer.h"
#include "data/unicode/utf8.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

fs::path tokenizer_file(const std::string& name) {
  return fs::path(KRAIT_SOURCE_DIR) / "tests/data/tokenizers" / name;
}

const std::vector<std::string> kStyles{"gpt2_style", "neox_style", "llama3_style", "qwen2_style"};

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// Texts, valid and not, whose ids and decoded form the `tokenizers` library gave (0.23.3), from
/// tokenizers that it trained. Their added tokens have all flags.
std::vector<nlohmann::json> cases_of(const std::string& style) {
  return nlohmann::json::parse(read_file(tokenizer_file(style + "_cases.json")));
}

TEST(BpeTokenizer, GivesTheIdsOfTheLibrary) {
  for (const std::string& style : kStyles) {
    const auto tokenizer = load_bpe_tokenizer(tokenizer_file(style + ".json"));
    int compared = 0;
    std::string buffer;
    for (const auto& example : cases_of(style)) {
      const std::string text = from_hex(example["hex"]);
      const Ids ids = example["ids"];
      ASSERT_EQ(tokenizer->encode(text), ids) << style << ": " << testing::PrintToString(text);
      EXPECT_EQ(repaired_utf8(tokenizer->decode(ids), buffer),
                example["decoded"].get<std::string>());
      ++compared;
    }
    EXPECT_GT(compared, 100);
  }
}

TEST(BpeTokenizer, EncodesTheSamePieceByPiece) {
  const RandomStream random{.seed = 4};
  std::uint64_t draw = 0;
  for (const std::string style : {"gpt2_style", "llama3_style", "qwen2_style"}) {
    const auto tokenizer = load_bpe_tokenizer(tokenizer_file(style + ".json"));
    std::vector<std::string> texts;
    for (const std::string& other : kStyles) {
      for (const auto& example : cases_of(other)) texts.push_back(from_hex(example["hex"]));
    }
    std::size_t cuts = 0;
    for (int round = 0; round < 2000; ++round) {
      std::string text;
      for (int i = 0; i < 3; ++i) text += texts[random.bits64(draw++) % texts.size()];
      // The cut that is known after so many bytes, not the last one of the text.
      const std::size_t seen = random.bits64(draw++) % (text.size() + 1);
      const std::size_t cut = tokenizer->safe_cut(std::string_view(text).substr(0, seen));
      ASSERT_LE(cut, seen);
      if (cut == 0) continue;
      Ids parts = tokenizer->encode(text.substr(0, cut));
      for (const std::int32_t id : tokenizer->encode(text.substr(cut))) parts.push_back(id);
      ASSERT_EQ(parts, tokenizer->encode(text)) << style << ": " << testing::PrintToString(text);
      ++cuts;
    }
    EXPECT_GT(cuts, style == "gpt2_style" ? 100u : 1000u) << style;
  }
}

TEST(BpeTokenizer, AnyTextInValidUtf8ComesBack) {
  const auto tokenizer = load_bpe_tokenizer(tokenizer_file("llama3_style.json"));
  const std::string text = "Any text, caf\u00e9 \u4e2d\u6587 \U0001f600\n\n<|eot_id|> \t end";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(BpeTokenizer, IdsThatNoTokenHasDecodeToNothing) {
  const auto tokenizer = load_bpe_tokenizer(tokenizer_file("llama3_style.json"));
  const Ids ids = tokenizer->encode("ab");
  Ids more{700};
  more.insert(more.end(), ids.begin(), ids.end());
  more.push_back(2'000'000'000);
  EXPECT_EQ(tokenizer->decode(more), "ab");
  expect_error(ErrorKind::Contract, {"-1"}, [&] { tokenizer->decode(Ids{-1}); });
}

TEST(BpeTokenizer, IsUsedFromSeveralThreads) {
  const auto tokenizer = load_bpe_tokenizer(tokenizer_file("neox_style.json"));
  const auto cases = cases_of("neox_style");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        for (const auto& example : cases) {
          count += tokenizer->encode(from_hex(example["hex"])) != example["ids"].get<Ids>();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>(4)));
}

TEST(BpeTokenizer, TextsWithoutAPlaceToCutTakeNoLongTime) {
  for (const std::string& style : kStyles) {
    const auto tokenizer = load_bpe_tokenizer(tokenizer_file(style + ".json"));
    for (const char* unit : {" ", "a", "\n", "e\u0301", "the", "\u0301", "7", "\x80"}) {
      std::string text;
      while (text.size() < (std::size_t{1} << 20)) text += unit;
      const Ids ids = tokenizer->encode(text);
      EXPECT_GT(ids.size(), 0u);
      EXPECT_LE(ids.size(), 4 * text.size());
    }
  }
}

class TokenizerDirectory : public ::testing::Test {
 protected:
  void take(const std::string& style) {
    fs::copy_file(tokenizer_file(style + ".json"), directory_ / "tokenizer.json",
                  fs::copy_options::overwrite_existing);
  }
  void configure(const std::string& json) {
    write_file_atomic(directory_ / "tokenizer_config.json", json);
  }
  std::unique_ptr<Tokenizer> load(std::string_view end = {}) {
    return make_tokenizer(directory_.path().string(), end);
  }
  TemporaryDirectory directory_;
};

TEST_F(TokenizerDirectory, WithoutAConfigurationTheNamesInUseAreTaken) {
  take("llama3_style");
  EXPECT_EQ(load()->end_of_document(), 1);  // <|end_of_text|>
  EXPECT_EQ(load()->prefix_token(), 0);     // <|begin_of_text|>
  take("gpt2_style");
  EXPECT_EQ(load()->end_of_document(), 0);
  EXPECT_EQ(load()->prefix_token(), 0);
  EXPECT_FALSE(load()->identity().prefix_token.has_value());
}

TEST_F(TokenizerDirectory, TheConfigurationSaysWhichTokensTheyAre) {
  take("llama3_style");
  configure(R"({"bos_token": null, "eos_token": {"content": "<|eot_id|>", "lstrip": false}})");
  EXPECT_EQ(load()->end_of_document(), 2);
  EXPECT_EQ(load()->prefix_token(), 2);
  configure(R"({"bos_token": "<|begin_of_text|>"})");
  EXPECT_EQ(load()->end_of_document(), 1);
  EXPECT_EQ(load()->prefix_token(), 0);
  configure(R"({"eos_token": "</none>"})");
  expect_error(ErrorKind::BadData, {"tokenizer_config.json", "eos_token", "'</none>'"},
               [&] { load(); });
  configure(R"({"eos_token": 5})");
  expect_error(ErrorKind::BadData, {"tokenizer_config.json", "eos_token"}, [&] { load(); });
  configure("not json");
  expect_error(ErrorKind::BadData, {"tokenizer_config.json"}, [&] { load(); });
}

TEST_F(TokenizerDirectory, TheUserMayNameTheEndOfADocument) {
  take("llama3_style");
  EXPECT_EQ(load("<|eot_id|>")->end_of_document(), 2);
  EXPECT_EQ(load("\n")->end_of_document(), load()->encode("\n").front());
  expect_error(ErrorKind::Usage, {"no token '<eod>'"}, [&] { load("<eod>"); });
}

TEST_F(TokenizerDirectory, WithoutAnEndOfADocumentOnlyWhatNeedsOneFails) {
  take("llama3_style");
  auto json = nlohmann::json::parse(read_file(directory_ / "tokenizer.json"));
  json["added_tokens"] = nlohmann::json::array();
  write_file_atomic(directory_ / "tokenizer.json", json.dump());
  const auto tokenizer = load();
  EXPECT_FALSE(tokenizer->encode("text").empty());
  expect_error(ErrorKind::Usage, {"`end_of_document`", "eos_token"},
               [&] { tokenizer->end_of_document(); });
}

TEST_F(TokenizerDirectory, ComesBackFromItsIdentityAndDefinition) {
  take("llama3_style");
  configure(R"({"eos_token": "<|eot_id|>", "bos_token": "<|begin_of_text|>"})");
  const auto tokenizer = load();
  const TokenizerIdentity kept = TokenizerIdentity::from_json(tokenizer->identity().json(), "x");
  const auto again = make_tokenizer(kept, tokenizer->definition());
  EXPECT_EQ(again->identity(), tokenizer->identity());
  EXPECT_EQ(again->end_of_document(), 2);
  EXPECT_EQ(again->prefix_token(), 0);
  EXPECT_EQ(again->encode("a<|eot_id|>"), tokenizer->encode("a<|eot_id|>"));
  expect_error(ErrorKind::BadData, {"not that of"},
               [&] { make_tokenizer(kept, std::string(tokenizer->definition()) + " "); });
  expect_error(ErrorKind::BadData, {"not kept"}, [&] { make_tokenizer(kept, ""); });
  TokenizerIdentity outside = kept;
  outside.end_of_document = 700;
  expect_error(ErrorKind::BadData, {"700"},
               [&] { make_tokenizer(outside, tokenizer->definition()); });
}

TEST_F(TokenizerDirectory, WithoutAFileIsMissingInput) {
  expect_error(ErrorKind::MissingInput, {"tokenizer.json"}, [&] { load(); });
}

}  // namespace
}  // namespace krait
