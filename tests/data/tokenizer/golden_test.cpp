// Texts with the ids and the decoded form that the `tokenizers` library gives for them.
#include "tests/support/golden.h"

#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/make_tokenizer.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

TEST(GoldenTokenizer, EveryTextHasTheIdsAndTheDecodedFormOfTheOriginal) {
  const auto tokenizer = load_bpe_tokenizer(golden_file("tokenizer.json"));
  const auto cases = nlohmann::json::parse(read_file(golden_file("tokenizer_cases.json")));
  ASSERT_TRUE(cases.is_array());
  ASSERT_FALSE(cases.empty());
  std::string buffer;
  for (const auto& example : cases) {
    const auto text = example.at("text").get<std::string>();
    const auto ids = example.at("ids").get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer->encode(text), ids) << text;
    EXPECT_EQ(repaired_utf8(tokenizer->decode(ids), buffer),
              example.at("decoded").get<std::string>())
        << text;
  }
  std::cout << "tokenizer_cases.json: " << cases.size() << " texts compared\n";
}

TEST(GoldenTokenizer, TheIdentityIsTheHashOfTheFile) {
  const std::string path = golden_file("tokenizer.json").string();
  const auto tokenizer = make_tokenizer(path);
  EXPECT_EQ(tokenizer->definition(), read_file(path));
  EXPECT_EQ(tokenizer->identity().name, "bpe");
  EXPECT_EQ(tokenizer->identity().sha256, file_sha256(path));
  const auto again = make_tokenizer(tokenizer->identity(), tokenizer->definition());
  EXPECT_EQ(again->identity(), tokenizer->identity());
  EXPECT_EQ(again->end_of_document(), tokenizer->end_of_document());
  EXPECT_EQ(again->prefix_token(), tokenizer->prefix_token());
  EXPECT_EQ(again->vocab_size(), tokenizer->vocab_size());
  const std::string text = "Some text, again\n";
  EXPECT_EQ(again->encode(text), tokenizer->encode(text));
}

}  // namespace
}  // namespace krait
