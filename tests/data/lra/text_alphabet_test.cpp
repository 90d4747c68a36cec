#include "data/lra/text_alphabet.h"

#include <gtest/gtest.h>

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(TextAlphabet, BytesAreTheirOwnIds) {
  const TextAlphabet bytes = TextAlphabet::of_bytes();
  EXPECT_EQ(bytes.n_symbols(), 256);
  EXPECT_TRUE(bytes.symbols().empty());
  EXPECT_EQ(bytes.encode("a\xc3\xa9\xff", 0), (Ids{97, 0xc3, 0xa9, 0xff}));
  EXPECT_EQ(bytes.encode("abc", 2), (Ids{97, 98}));
}

TEST(TextAlphabet, FrequentCharactersAreSymbolsAndTheOthersUnknown) {
  CharacterCounts counts;
  counts.add("b\xc3\xa9 b\xc3\xa9 ca");
  counts.add("b \xff\xff");  // two times U+FFFD
  const auto frequent = counts.frequent(2);
  EXPECT_EQ(frequent, (std::vector<char32_t>{' ', 'b', 0xe9, 0xfffd}));
  const TextAlphabet alphabet = TextAlphabet::of_characters(frequent);
  EXPECT_EQ(alphabet.n_symbols(), 5);
  EXPECT_EQ(alphabet.symbols(),
            (std::vector<std::string>{"<unknown>", " ", "b", "\xc3\xa9", "\xef\xbf\xbd"}));
  EXPECT_EQ(alphabet.encode("ab\xc3\xa9 \xfe", 0), (Ids{0, 2, 3, 1, 4}));
  EXPECT_EQ(alphabet.encode("ab\xc3\xa9 \xfe", 3), (Ids{0, 2, 3}));
}

}  // namespace
}  // namespace krait
