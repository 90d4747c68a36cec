#include "data/tokenizer.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_directory.h"

namespace krait {
namespace {

TEST(ByteTokenizer, AnyBytesComeBackExactly) {
  const ByteTokenizer tokenizer;
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const std::vector<std::int32_t> ids = tokenizer.encode(all);
  ASSERT_EQ(ids.size(), 256u);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(ids[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(tokenizer.decode(ids), all);
  EXPECT_TRUE(tokenizer.encode("").empty());
}

TEST(ByteTokenizer, TheEndOfDocumentCannotBeWrittenInText) {
  const ByteTokenizer tokenizer;
  EXPECT_EQ(tokenizer.vocab_size(), 257);
  EXPECT_EQ(tokenizer.end_of_document(), 256);
  EXPECT_EQ(tokenizer.encode("<|endoftext|>").size(), 13u);
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{'a', 256}), "a<|endoftext|>");
}

TEST(ByteTokenizer, DecodeRefusesIdsOutsideTheVocabulary) {
  const ByteTokenizer tokenizer;
  for (const std::int32_t id : {-1, 257}) {
    expect_error(ErrorKind::Contract, {"0 to 256", std::to_string(id)},
                 [&] { tokenizer.decode(std::vector<std::int32_t>{id}); });
  }
}

TEST(Tokenizer, IsMadeFromItsNameAndFromItsIdentity) {
  const auto tokenizer = make_tokenizer("byte");
  const TokenizerIdentity identity = tokenizer->identity();
  EXPECT_EQ(TokenizerIdentity::from_json(identity.json(), "here"), identity);
  EXPECT_EQ(make_tokenizer(identity)->identity(), identity);
}

TEST(Tokenizer, OthersAreRefused) {
  expect_error(ErrorKind::Usage, {"'word'", "'byte'"}, [] { make_tokenizer("word"); });
  TokenizerIdentity other = ByteTokenizer().identity();
  other.sha256[0] ^= 1;
  expect_error(ErrorKind::BadData, {"'byte'", "not known"}, [&] { make_tokenizer(other); });
  for (const char* text :
       {"", "[]", "{\"name\": 3, \"sha256\": \"x\"}", "{\"name\": \"byte\"}", "{"}) {
    expect_error(ErrorKind::BadData, {"here: "},
                 [&] { TokenizerIdentity::from_json(text, "here"); });
  }
}

}  // namespace
}  // namespace krait
