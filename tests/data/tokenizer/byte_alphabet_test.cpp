#include "data/tokenizer/byte_alphabet.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace krait {
namespace {

TEST(ByteAlphabet, IsThatOfGpt2) {
  EXPECT_EQ(to_byte_alphabet(" \n!~\x7f"), "\u0120\u010a!~\u0121");
  EXPECT_EQ(to_byte_alphabet("\xa1\xad\xff"), "\u00a1\u0143\u00ff");
  EXPECT_EQ(byte_alphabet()[0], 0x100u);
  const std::set<char32_t> different(byte_alphabet().begin(), byte_alphabet().end());
  EXPECT_EQ(different.size(), 256u);
}

TEST(ByteAlphabet, AllBytesComeBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(bytes)), bytes);
}

TEST(ByteAlphabet, OtherCharactersStandForNoByte) {
  for (const char* text : {" ", "a b", "\n", "\u00ad", "\u0144", "\u4e2d"}) {
    EXPECT_FALSE(from_byte_alphabet(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace krait
