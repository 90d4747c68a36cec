#include "data/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include "data/tokenizer/make_tokenizer.h"
#include "tests/support/temporary_directory.h"

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

TEST(NumberTokenizer, IdsAreWrittenInDecimal) {
  const NumberTokenizer tokenizer(50277);
  EXPECT_EQ(tokenizer.vocab_size(), 50277);
  EXPECT_EQ(tokenizer.end_of_document(), 50276);
  EXPECT_EQ(tokenizer.encode("17 4\n 50275\t0\r\n"), (std::vector<std::int32_t>{17, 4, 50275, 0}));
  EXPECT_TRUE(tokenizer.encode(" \n").empty());
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{17, 50276}), " 17 50276");
  EXPECT_EQ(tokenizer.encode("1 2" + tokenizer.decode(std::vector<std::int32_t>{30, 4})),
            (std::vector<std::int32_t>{1, 2, 30, 4}));
}

TEST(NumberTokenizer, RefusesWhatIsNoIdOfAText) {
  const NumberTokenizer tokenizer(100);
  for (const std::string word : {"a", "-1", "+1", "1.5", "1,", "0x1", "99", "100", "4294967297",
                                 "99999999999999999999", "\xff"}) {
    expect_error(ErrorKind::BadData, {"'" + word + "' is not a token", "numbers-100", "0 to 98"},
                 [&] { tokenizer.encode("1 " + word + " 2"); });
  }
  expect_error(ErrorKind::BadData, {"'" + std::string(20, 'x') + "...'"},
               [&] { tokenizer.encode(std::string(1000, 'x')); });
  for (const std::int32_t id : {-1, 100}) {
    expect_error(ErrorKind::Contract, {"0 to 99", std::to_string(id)},
                 [&] { tokenizer.decode(std::vector<std::int32_t>{id}); });
  }
}

TEST(NumberTokenizer, ATextMayBeCutAfterABlank) {
  const NumberTokenizer tokenizer(100);
  EXPECT_EQ(tokenizer.safe_cut("12 34 5"), 6u);
  EXPECT_EQ(tokenizer.safe_cut("12\n"), 3u);
  EXPECT_EQ(tokenizer.safe_cut("12"), 0u);
  EXPECT_EQ(tokenizer.safe_cut(""), 0u);
}

TEST(NumberTokenizer, TheVocabularyHasBounds) {
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1}, std::int64_t{1} << 31}) {
    expect_error(ErrorKind::Usage, {"2 to 2147483647", std::to_string(size)},
                 [&] { NumberTokenizer tokenizer(size); });
  }
  EXPECT_EQ(NumberTokenizer((std::int64_t{1} << 31) - 1).end_of_document(), 2147483646);
}

TEST(Tokenizer, IsMadeFromItsNameAndFromItsIdentity) {
  const auto tokenizer = make_tokenizer("byte");
  const TokenizerIdentity identity = tokenizer->identity();
  EXPECT_EQ(TokenizerIdentity::from_json(identity.json(), "here"), identity);
  EXPECT_EQ(make_tokenizer(identity, "")->identity(), identity);
  const TokenizerIdentity numbers = NumberTokenizer(50277).identity();
  EXPECT_EQ(numbers.name, "numbers-50277");
  EXPECT_EQ(make_tokenizer(numbers, "")->identity(), numbers);
  EXPECT_EQ(make_tokenizer(numbers, "")->vocab_size(), 50277);
}

TEST(Tokenizer, AnIdentityKeepsTheTokensThatADefinitionLeavesOpen) {
  const TokenizerIdentity plain{.name = "a", .sha256 = "b"},
      full{.name = "a", .sha256 = "b", .end_of_document = 7, .prefix_token = 0};
  EXPECT_EQ(plain.json(), R"({"name":"a","sha256":"b"})");
  EXPECT_EQ(TokenizerIdentity::from_json(plain.json(), "here"), plain);
  EXPECT_EQ(TokenizerIdentity::from_json(full.json(), "here"), full);
  EXPECT_NE(plain, full);
  for (const char* value : {"-1", "2147483648", "1.5", "null", "\"1\"", "[1]", "1e300"}) {
    expect_error(ErrorKind::BadData, {"here", "prefix_token"}, [&] {
      TokenizerIdentity::from_json(str(R"({"name":"a","sha256":"b","prefix_token":)", value, "}"),
                                   "here");
    });
  }
}

TEST(Tokenizer, AForeignDefinitionIsRefused) {
  expect_error(ErrorKind::BadData, {"'byte'", "not that of", "damaged"},
               [] { make_tokenizer(ByteTokenizer().identity(), "{}"); });
}

TEST(Tokenizer, OthersAreRefused) {
  expect_error(ErrorKind::Usage, {"'word'", "'byte'"}, [] { make_tokenizer("word"); });
  TokenizerIdentity other = ByteTokenizer().identity();
  other.sha256[0] ^= 1;
  expect_error(ErrorKind::BadData, {"'byte'", "not known"}, [&] { make_tokenizer(other, ""); });
  for (const std::string name : {"numbers-100", "numbers-", "numbers-1", "numbers-1e3",
                                 "numbers-0101", "numbers-99999999999999999999"}) {
    TokenizerIdentity changed = NumberTokenizer(101).identity();
    changed.name = name;
    expect_error(ErrorKind::BadData, {"'" + name + "'", "not known"},
                 [&] { make_tokenizer(changed, ""); });
  }
  for (const char* text :
       {"", "[]", "{\"name\": 3, \"sha256\": \"x\"}", "{\"name\": \"byte\"}", "{"}) {
    expect_error(ErrorKind::BadData, {"here: "},
                 [&] { TokenizerIdentity::from_json(text, "here"); });
  }
}

}  // namespace
}  // namespace krait
