#include "data/unicode/utf8.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace krait {
namespace {

std::string repaired(std::string_view text) {
  std::string buffer;
  return std::string(repaired_utf8(text, buffer));
}

TEST(Utf8, EveryCharacterIsWrittenAndRead) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xd800 && code < 0xe000) continue;
    std::string text;
    append_utf8(code, text);
    const Utf8Character c = decode_utf8(text.data());
    ASSERT_EQ(c.code, code);
    ASSERT_EQ(c.bytes, text.size());
    const Utf8Piece piece = first_utf8_piece(text + "\x80");
    ASSERT_EQ(piece.kind, Utf8Piece::Kind::Character);
    ASSERT_EQ(piece.bytes, text.size());
  }
}

TEST(Utf8, EachPartThatIsNoCharacterBecomesOneReplacement) {
  const std::string r(kReplacementCharacter);
  const std::pair<std::string, std::string> examples[] = {
      {"", ""},
      {"plain text \xc3\xa9", "plain text \xc3\xa9"},
      {"a\x80"
       "b",
       "a" + r + "b"},
      {"\xff\xfe", r + r},
      {"\xc0\xaf", r + r},                  // overlong
      {"\xe0\x80\x80", r + r + r},          // overlong
      {"\xed\xa0\x80", r + r + r},          // a surrogate
      {"\xf4\x90\x80\x80", r + r + r + r},  // past the last code point
      {"\xe4\xb8"
       "x",
       r + "x"},  // one maximal part
      {"\xf0\x9f\x98"
       "x",
       r + "x"},
      {"x\xf0\x9f\x98", "x" + r},  // ends with the text
      {"12345678901\xe4\xb8\xad\x80", "12345678901\xe4\xb8\xad" + r},
  };
  for (const auto& [text, expected] : examples) EXPECT_EQ(repaired(text), expected);
}

TEST(Utf8, ValidTextIsNotCopied) {
  const std::string text = "caf\xc3\xa9 and a rather long rest of plain letters";
  std::string buffer;
  EXPECT_EQ(repaired_utf8(text, buffer).data(), text.data());
}

TEST(Utf8, AsciiIsCountedAcrossWords) {
  for (std::size_t n = 0; n < 40; ++n) {
    EXPECT_EQ(ascii_prefix(std::string(n, 'a')), n);
    EXPECT_EQ(ascii_prefix(std::string(n, 'a') + "\xc3\xa9"), n);
  }
}

}  // namespace
}  // namespace krait
