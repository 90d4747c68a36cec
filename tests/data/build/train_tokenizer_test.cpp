#include "data/build/train_tokenizer.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "core/system/parallel.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/bpe_trainer.h"
#include "data/tokenizer/word_counts.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;

Merges merges_of(const std::vector<WordCount>& words, std::int64_t more,
                 std::uint64_t min_frequency = 1) {
  const TrainedBpe bpe =
      train_bpe(words, {.vocab_size = 256 + more, .min_frequency = min_frequency});
  Merges merges;
  for (const auto& [left, right] : bpe.merges) {
    merges.emplace_back(bpe.tokens[static_cast<std::size_t>(left)],
                        bpe.tokens[static_cast<std::size_t>(right)]);
  }
  return merges;
}

TEST(BpeTrainer, MergesTheMostFrequentPairFirst) {
  const std::vector<WordCount> words{{"ab", 3}, {"abc", 2}, {"bc", 4}, {"d", 100}};
  EXPECT_EQ(merges_of(words, 3), (Merges{{"b", "c"}, {"a", "b"}, {"a", "bc"}}));
  EXPECT_EQ(merges_of(words, 100, 3), (Merges{{"b", "c"}, {"a", "b"}}));
}

TEST(BpeTrainer, OfEquallyFrequentPairsTheLowestIdsGoFirst) {
  EXPECT_EQ(merges_of({{"xy", 2}, {"ab", 2}, {"ac", 2}}, 3),
            (Merges{{"a", "b"}, {"a", "c"}, {"x", "y"}}));
}

TEST(BpeTrainer, CountsOverlappingPairsAsTheyAreMerged) {
  EXPECT_EQ(merges_of({{"aaaa", 5}}, 2), (Merges{{"a", "a"}, {"aa", "aa"}}));
  EXPECT_EQ(merges_of({{"aaa", 5}}, 2), (Merges{{"a", "a"}, {"aa", "a"}}));
}

TEST(BpeTrainer, StopsWhenNoPairIsLeft) {
  const TrainedBpe bpe = train_bpe({{"abc", 9}}, {.vocab_size = 1000});
  EXPECT_EQ(bpe.tokens.size(), 258u);
  EXPECT_EQ(bpe.tokens[0], "!");  // the first byte by its character
}

TEST(BpeTrainer, AVocabularyTooSmallForTheBytesIsRefused) {
  expect_error(ErrorKind::Usage, {"at least 257", "got 256"}, [] {
    train_bpe({{"ab", 1}}, {.vocab_size = 256, .special_tokens = {"<s>"}});
  });
}

TEST(WordCounter, CountsTheSameInPiecesAndOnAnyNumberOfThreads) {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += i % 7 == 0 ? "several words\n" : "of a text, 17 ";
  const auto count = [&](int threads) {
    const int before = thread_count();
    set_thread_count(threads);
    WordCounter counter({}, true);
    counter.add(text);
    counter.end_document();
    counter.add("of a");
    counter.end_document();
    set_thread_count(before);
    return counter.take();
  };
  const auto one = count(1), three = count(3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].word, three[i].word);
    EXPECT_EQ(one[i].count, three[i].count);
  }
  std::uint64_t bytes = 0;
  for (const WordCount& word : one) bytes += word.word.size() * word.count;
  EXPECT_EQ(bytes, text.size() + 4);
}

TEST(WordCounter, WhatIsTooLongForAWordIsLeftOut) {
  WordCounter counter({}, false);
  counter.add(std::string(3 << 20, 'a') + " b");
  counter.end_document();
  const auto words = counter.take();
  ASSERT_EQ(words.size(), 1u);
  EXPECT_EQ(words[0].word, " b");
  EXPECT_TRUE(counter.take().empty());
}

TEST(WordCounter, ADocumentThatIsDroppedDoesNotCount) {
  WordCounter counter({}, false);
  counter.add("kept");
  counter.end_document();
  std::string large;
  while (large.size() < (std::size_t{40} << 20)) large += "dropped words\n";
  counter.add(large);  // more than is held back
  counter.drop_document();
  counter.add(" too");
  counter.end_document();
  counter.add("never ended");
  const auto words = counter.take();
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].word, " too");
  EXPECT_EQ(words[1].word, "kept");
}

class TrainTokenizer : public ::testing::Test {
 protected:
  TrainTokenizer() {
    std::string text;
    for (int i = 0; i < 300; ++i) {
      text += "The quick brown fox jumps over the lazy dog, and caf\u00e9s number " +
              std::to_string(i * i) + ".\n";
    }
    write_file_atomic(directory_ / "a.txt", text);
    options_.inputs = {directory_ / "a.txt"};
    options_.vocab_size = 400;
  }
  TemporaryDirectory directory_;
  TrainTokenizerOptions options_;
};

TEST_F(TrainTokenizer, EveryStyleMakesATokenizerThatIsReadAndRestoresText) {
  for (const auto style : {TokenizerStyle::Gpt2, TokenizerStyle::GptNeox, TokenizerStyle::Llama3}) {
    options_.style = style;
    const TrainedTokenizer trained = train_tokenizer(options_);
    EXPECT_EQ(trained.vocab_size, 400);
    EXPECT_EQ(trained.documents, 1u);
    const auto path = directory_ / "tokenizer.json";
    write_file_atomic(path, trained.json);
    const auto tokenizer = load_bpe_tokenizer(path);
    EXPECT_EQ(tokenizer->vocab_size(), 400);
    EXPECT_GE(tokenizer->end_of_document(), 0);
    const std::string text = "The dog jumps over 1234 lazy caf\u00e9s\n   <|x|>";
    const auto ids = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(ids), text);
    EXPECT_LT(ids.size(), text.size());
    if (style == TokenizerStyle::GptNeox) {
      EXPECT_EQ(tokenizer->encode("    ").size(), 1u);
    }
  }
}

TEST_F(TrainTokenizer, TheSameTextMakesTheSameFile) {
  const std::string once = train_tokenizer(options_).json;
  const int before = thread_count();
  set_thread_count(3);
  EXPECT_EQ(train_tokenizer(options_).json, once);
  set_thread_count(before);
}

TEST_F(TrainTokenizer, SpecialTokensAreTheUsers) {
  options_.special_tokens = {"<eod>", "<pad>"};
  const auto json = nlohmann::json::parse(train_tokenizer(options_).json);
  EXPECT_EQ(json["added_tokens"].size(), 2u);
  EXPECT_EQ(json["model"]["vocab"]["<eod>"], 0);
  EXPECT_EQ(json["added_tokens"][1]["content"], "<pad>");
  options_.special_tokens = {"<pad>", "<pad>"};
  expect_error(ErrorKind::Usage, {"'<pad>'", "twice"}, [&] { train_tokenizer(options_); });
  options_.special_tokens = {"\xff"};
  expect_error(ErrorKind::Usage, {"UTF-8"}, [&] { train_tokenizer(options_); });
}

TEST_F(TrainTokenizer, ReadsTheInputsOfABuild) {
  write_file_atomic(directory_ / "b.jsonl", "{\"text\": \"xyxyxy\"}\n{\"text\": \"xyxy\"}\n");
  options_.inputs = {directory_ / "b.jsonl"};
  const TrainedTokenizer trained = train_tokenizer(options_);
  EXPECT_EQ(trained.documents, 2u);
  EXPECT_EQ(trained.vocab_size, 259);  // xy, xyxy
  write_file_atomic(directory_ / "c.txt", std::string("abab\0ab", 7));
  options_.inputs.push_back(directory_ / "c.txt");
  const TrainedTokenizer same = train_tokenizer(options_);
  EXPECT_EQ(same.json, trained.json);
  ASSERT_EQ(same.skipped.size(), 1u);
  EXPECT_NE(same.skipped[0].reason.find("binary"), std::string::npos);
  options_.inputs = {directory_ / "none"};
  expect_error(ErrorKind::MissingInput, {"none"}, [&] { train_tokenizer(options_); });
  options_.inputs = {};
  expect_error(ErrorKind::Usage, {"at least one"}, [&] { train_tokenizer(options_); });
}

}  // namespace
}  // namespace krait
