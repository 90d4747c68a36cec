#include "data/text/documents.h"

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/text/reader.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class TextDocuments : public ::testing::Test {
 protected:
  std::vector<std::string> documents(const std::string& name, const std::string& contents) {
    std::ofstream(directory_.path() / name, std::ios::binary) << contents;
    std::vector<std::string> found;
    skipped_ = visit_documents(find_text_sources({directory_.path() / name}).at(0), "text",
                               [&](std::string_view text, std::uint64_t bytes) {
                                 found.emplace_back(text);
                                 EXPECT_LE(bytes, contents.size());
                               });
    return found;
  }
  std::optional<std::string> skipped_;
  TemporaryDirectory directory_;
};

TEST_F(TextDocuments, AFileIsOneWhateverItsSize) {
  EXPECT_EQ(documents("a.txt", "one\ntwo"), std::vector<std::string>{"one\ntwo"});
  std::string large;
  while (large.size() < 3 * TextReader::kPiece) large += "the same words again and again\n";
  EXPECT_EQ(documents("large.txt", large), std::vector<std::string>{large});
}

TEST_F(TextDocuments, EachLineOfJsonIsOne) {
  EXPECT_EQ(
      documents("a.jsonl", "{\"text\": \"a\\n\"}\n\n{\"id\": 1, \"text\": \"\"}\n{\"text\":\"c\"}"),
      (std::vector<std::string>{"a\n", "", "c"}));
  expect_error(ErrorKind::BadData, {"b.jsonl:2"},
               [&] { documents("b.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}\n"); });
}

TEST_F(TextDocuments, WhatIsNoTextIsLeftOutAndSaysWhy) {
  EXPECT_TRUE(documents("empty.txt", "").empty());
  EXPECT_TRUE(skipped_);
  EXPECT_TRUE(documents("binary.txt", std::string("a\0b", 3)).empty());
  ASSERT_TRUE(skipped_);
  EXPECT_NE(skipped_->find("binary"), std::string::npos) << *skipped_;
  documents("text.txt", "a");
  EXPECT_FALSE(skipped_);
}

}  // namespace
}  // namespace krait
