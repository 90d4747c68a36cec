#include "train/evaluate/text_statistics.h"

#include <string>

#include <gtest/gtest.h>

namespace krait {
namespace {

// The expected counts are those of len(re.split(r"\s+", text)) in Python 3.
TEST(TextStatistics, WordsAreCountedAsPythonSplitsAtWhiteSpace) {
  EXPECT_EQ(count_words(""), 1u);
  EXPECT_EQ(count_words("a"), 1u);
  EXPECT_EQ(count_words(" \n = Robert = \n a b \n"), 7u);
  EXPECT_EQ(
      count_words(" \n = Robert Boulter = \n \n Robert Boulter is an English film , television "
                  "and theatre actor . \n"),
      18u);
  EXPECT_EQ(count_words(" = = = A = = = \n = = B = = \n"), 14u);
  EXPECT_EQ(count_words("\n"), 2u);
  EXPECT_EQ(count_words("a\t\v\f\r\x1c\x1d\x1e\x1f b"), 2u);
}

TEST(TextStatistics, EveryUnicodeWhiteSpaceSeparatesWordsAndItsNeighboursDoNot) {
  for (const char* space : {"\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",
                            "\x1e",   "\x1f",   " ",      "\u0085", "\u00a0", "\u1680", "\u2000",
                            "\u2005", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"}) {
    EXPECT_EQ(count_words(std::string("a") + space + "b"), 2u) << space;
    EXPECT_EQ(count_words(std::string("a") + space + space + " b"), 2u) << space;
  }
  for (const char* other : {"\x08", "\x0e", "\x1b", "!", "\u0084", "\u00a1", "\u167f", "\u1681",
                            "\u180e", "\u200b", "\u2027", "\u202a", "\u2060", "\u205e", "\u3001"}) {
    EXPECT_EQ(count_words(std::string("a") + other + "b"), 1u) << other;
  }
}

TEST(TextStatistics, BytesThatAreNoUtf8AreNotWhiteSpace) {
  EXPECT_EQ(count_words("a\x85\xa0 b"), 2u);  // continuation bytes alone
  EXPECT_EQ(count_words("a\xe2\x80"), 1u);    // cut off
  EXPECT_EQ(count_words("a\xe2\x80 b"), 2u);  // cut off by a blank
  EXPECT_EQ(count_words("a\xc2"), 1u);
}

TEST(TextStatistics, AddsUpOverDocuments) {
  TextStatistics s;
  s.add("a b");
  s.add("caf\u00e9");
  EXPECT_EQ(s.words, 3u);  // the documents are not joined
  EXPECT_EQ(s.bytes, 8u);
  EXPECT_EQ(s.histogram['a'], 2u);
  EXPECT_EQ(s.histogram[0xc3], 1u);
}

TEST(TextStatistics, TheUnigramEntropyIsThatOfTheHistogram) {
  TextStatistics s;
  EXPECT_EQ(s.unigram_bits_per_byte(), 0.0);
  s.add("aaaa");
  EXPECT_EQ(s.unigram_bits_per_byte(), 0.0);
  s.add("bbcd");  // 1/2, 1/4, 1/8, 1/8
  EXPECT_DOUBLE_EQ(s.unigram_bits_per_byte(), 1.75);
}

}  // namespace
}  // namespace krait
