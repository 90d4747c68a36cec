#include "train/evaluate/evaluation_text.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "core/system/hash.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class ReadEvaluationText : public ::testing::Test {
 protected:
  EvaluationText read(const std::string& name, const std::string& contents,
                      const EvaluationTextOptions& options = {}) const {
    std::ofstream(directory_ / name, std::ios::binary) << contents;
    return read_evaluation_text(directory_ / name, tokenizer_, options);
  }
  /// The documents as they are scored.
  std::vector<std::string> documents(const EvaluationText& text) const {
    std::vector<std::string> result;
    const auto ends = text.corpus.ends;
    for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
      std::vector<std::int32_t> ids(ends[i + 1] - ends[i] - 1);
      text.corpus.copy(ends[i] + 1, ids);
      result.push_back(tokenizer_.decode(ids));
    }
    return result;
  }
  using Texts = std::vector<std::string>;
  TemporaryDirectory directory_;
  ByteTokenizer tokenizer_;
};

TEST_F(ReadEvaluationText, ATextFileIsOneDocument) {
  const auto text = read("a.txt", "one two\nthree\n");
  EXPECT_EQ(documents(text), Texts{"one two\nthree\n"});
  EXPECT_EQ(text.sha256, sha256_hex("one two\nthree\n"));
  EXPECT_EQ(text.statistics.words, 4u);
  EXPECT_EQ(text.statistics.bytes, 14u);
}

TEST_F(ReadEvaluationText, AJsonlFileHoldsADocumentALine) {
  const std::string contents =
      "{\"text\": \"a b\", \"t\": \"x\"}\n{\"text\": \"\", \"t\": \"y\"}\n";
  EXPECT_EQ(documents(read("a.jsonl", contents)), Texts{"a b"});
  EXPECT_EQ(documents(read("a.jsonl", contents, {.text_field = "t"})), (Texts{"x", "y"}));
  EXPECT_EQ(read("a.jsonl", contents).sha256, sha256_hex(contents));
}

TEST_F(ReadEvaluationText, IsCutIntoArticlesAndDetokenizedWhileTheOriginalIsCounted) {
  const std::string contents = " \n = A = \n x @-@ y \n = B = \n z , z \n";
  const auto articles = read("w.raw", contents, {.articles = true});
  EXPECT_EQ(documents(articles), (Texts{" = A = \n x @-@ y ", " = B = \n z , z \n"}));
  const auto plain =
      read("w.raw", contents, {.articles = true, .detokenizer = Detokenizer::Wikitext});
  EXPECT_EQ(documents(plain), (Texts{" = A =\nx-y ", " = B =\nz, z\n"}));
  EXPECT_EQ(plain.statistics.words, articles.statistics.words);
  EXPECT_EQ(plain.statistics.bytes, articles.statistics.bytes);
  EXPECT_EQ(articles.statistics.words, 8u + 8u);
  EXPECT_EQ(articles.statistics.bytes, 17u + 16u);
}

TEST_F(ReadEvaluationText, WhatHoldsNoTextIsRefused) {
  expect_error(ErrorKind::BadData, {"empty"}, [&] { read("a.txt", ""); });
  expect_error(ErrorKind::BadData, {"empty"}, [&] { read("a.jsonl", "{\"text\": \"\"}\n"); });
  expect_error(ErrorKind::BadData, {"NUL"}, [&] { read("a.txt", std::string("a\0b", 3)); });
  expect_error(ErrorKind::BadData, {"a.jsonl:1"}, [&] { read("a.jsonl", "{\"x\": \"\"}\n"); });
  expect_error(ErrorKind::MissingInput, {"nowhere"},
               [&] { read_evaluation_text(directory_ / "nowhere", tokenizer_); });
  write_quickly(directory_ / "folder/a", "x");
  write_quickly(directory_ / "folder/b", "y");
  expect_error(ErrorKind::Usage, {"folder"},
               [&] { read_evaluation_text(directory_ / "folder", tokenizer_); });
}

}  // namespace
}  // namespace krait
