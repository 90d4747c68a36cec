#include "data/unicode/characters.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

namespace property = unicode_property;

std::string utf8(std::u32string_view codes) {
  std::string text;
  for (const char32_t code : codes) append_utf8(code, text);
  return text;
}

std::string nfc(std::u32string_view codes) {
  std::string buffer;
  return std::string(to_nfc(utf8(codes), buffer));
}

TEST(UnicodeProperties, HaveTheNumbersOfCharactersThatTheLibraryHas) {
  // Counted by removing \p{L}, \p{N} and \s from a text of all characters, and by single_word.
  int letters = 0, numbers = 0, blanks = 0, words = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::uint8_t bits = unicode_properties()[code];
    letters += (bits & property::kLetter) != 0;
    numbers += (bits & property::kNumber) != 0;
    blanks += (bits & property::kBlank) != 0;
    words += (bits & property::kWord) != 0;
    const int kind = bits & property::kClass;
    EXPECT_TRUE(kind == 0 || (kind & (kind - 1)) == 0) << static_cast<unsigned>(code);
  }
  EXPECT_EQ(letters, 141028);
  EXPECT_EQ(numbers, 1911);
  EXPECT_EQ(blanks, 25);
  EXPECT_EQ(words, 144667);
}

TEST(Nfc, FollowsTheExamplesOfTheAnnex) {
  const std::pair<std::u32string, std::u32string> examples[] = {
      {U"plain", U"plain"},
      {U"\u00e9", U"\u00e9"},
      {U"e\u0301", U"\u00e9"},
      {U"\u212b", U"\u00c5"},                // a singleton
      {U"a\u0301\u0323", U"\u1ea1\u0301"},   // ordered, then composed
      {U"\u1e0b\u0323", U"\u1e0d\u0307"},    // taken apart first
      {U"q\u0307\u0323", U"q\u0323\u0307"},  // ordered only
      {U"\u0301e", U"\u0301e"},              // a mark that starts the text
      {U"\u0958", U"\u0915\u093c"},          // is never composed
      {U"\u0928\u093c", U"\u0929"},
      {U"\u1100\u1161\u11a8", U"\uac01"},  // Hangul
      {U"\uac00\u11a8\u11a8", U"\uac01\u11a8"},
      {U"\u1100\u1100\u1161", U"\u1100\uac00"},
      {U"\u0344", U"\u0308\u0301"},
      {U"a\u0344", U"\u00e4\u0301"},
      {U"\U0002f800", U"\u4e3d"},
      {U"\u09c7\u09be", U"\u09cb"},                    // a second part of class 0
      {U"\u09c7\u0301\u09be", U"\u09c7\u0301\u09be"},  // a mark is in the way
      {U"\u0041\u0345\u0301x", U"\u00c1\u0345x"},
  };
  for (const auto& [codes, expected] : examples) EXPECT_EQ(nfc(codes), utf8(expected));
}

TEST(Nfc, TextThatItDoesNotTouchIsNotCopied) {
  const std::string text = utf8(U"plain, \u00e9\u4e2d\uac01");
  std::string buffer;
  EXPECT_EQ(to_nfc(text, buffer).data(), text.data());
}

TEST(Nfc, OfItselfIsItself) {
  const RandomStream random{.seed = 3};
  constexpr char32_t kStarts[] = {0x41,   0x300,  0x323,  0x345,  0x93c, 0x1100, 0x1161, 0x11a8,
                                  0xac00, 0xf900, 0x1e00, 0x212b, 0x9be, 0x4e00, 0x1d15e};
  std::uint64_t draw = 0;
  for (int round = 0; round < 5000; ++round) {
    std::u32string codes;
    for (std::uint64_t i = random.bits64(draw++) % 12; i > 0; --i) {
      const std::uint64_t r = random.bits64(draw++);
      codes += kStarts[r % std::size(kStarts)] + static_cast<char32_t>((r >> 32) % 32);
    }
    const std::string once = nfc(codes);
    std::string buffer;
    EXPECT_EQ(to_nfc(once, buffer), once);
  }
}

TEST(Nfc, OfALongRunOfMarksTakesNoLongTime) {
  std::u32string codes = U"a";
  for (int i = 0; i < 300'000; ++i) codes += i % 2 == 0 ? U'\u0301' : U'\u0323';
  const std::string result = nfc(codes);
  EXPECT_TRUE(result.starts_with(utf8(U"\u1ea1\u0323")));
  EXPECT_TRUE(result.ends_with(utf8(U"\u0301")));
}

}  // namespace
}  // namespace krait
