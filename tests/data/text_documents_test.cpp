#include "data/text_documents.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/text_reader.h"
#include "tests/data/temporary_directory.h"

namespace krait {
namespace {

class TextDocuments : public ::testing::Test {
 protected:
  std::vector<std::string> documents(const std::string& name, const std::string& contents) {
    std::ofstream(directory_.path() / name, std::ios::binary) << contents;
    std::vector<std::string> found;
    visit_documents(find_text_sources({directory_.path() / name}).at(0), "text",
                    [&](std::string_view text) { found.emplace_back(text); });
    return found;
  }
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

TEST_F(TextDocuments, WhatIsNoTextIsAnError) {
  expect_error(ErrorKind::BadData, {"empty"}, [&] { documents("empty.txt", ""); });
  expect_error(ErrorKind::BadData, {"binary"},
               [&] { documents("binary.txt", std::string("a\0b", 3)); });
}

}  // namespace
}  // namespace krait
