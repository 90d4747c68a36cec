#include "data/tokenizer/pre_tokenizer.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

using Words = std::vector<std::string>;
using Examples = std::vector<std::pair<std::string, Words>>;

Words cut(PreTokenPattern pattern, std::string_view text) {
  const PreTokenizer pre_tokenizer{.pattern = pattern};
  Words words;
  while (!text.empty()) {
    words.emplace_back(text.substr(0, pre_tokenizer.first(text)));
    text.remove_prefix(words.back().size());
  }
  return words;
}

TEST(PreTokenizer, CutsAsThePatternOfGpt2) {
  const Examples examples = {
      {"Hello my friend, how's 3 days?",
       {"Hello", " my", " friend", ",", " how", "'s", " 3", " days", "?"}},
      {"a  b   c", {"a", " ", " b", "  ", " c"}},
      {"end  ", {"end", "  "}},
      {"a\n\nb\n", {"a", "\n", "\n", "b", "\n"}},
      {"a \nb", {"a", " ", "\n", "b"}},
      {"\tx", {"\t", "x"}},
      {"we'll they'VE 'tis'", {"we", "'ll", " they", "'", "VE", " '", "tis", "'"}},
      {"x1!2\xc3\xa9", {"x", "1", "!", "2", "\xc3\xa9"}},
      {"\xc2\xa0word", {"\xc2\xa0", "word"}},
      {" \xe4\xb8\xad\xe6\x96\x87\xe3\x80\x82", {" \xe4\xb8\xad\xe6\x96\x87", "\xe3\x80\x82"}},
      {"12345", {"12345"}},
  };
  for (const auto& [text, words] : examples) {
    EXPECT_EQ(cut(PreTokenPattern::Gpt2, text), words) << text;
  }
}

TEST(PreTokenizer, CutsAsThePatternOfLlama3) {
  const Examples examples = {
      {"Hello my friend", {"Hello", " my", " friend"}},
      {"1234567 8", {"123", "456", "7", " ", "8"}},
      {"I'LL 'S \xc5\xbf'\xc5\xbfx", {"I", "'LL", " '", "S", " \xc5\xbf", "'\xc5\xbf", "x"}},
      {"(word", {"(word"}},
      {"\tword\nnext", {"\tword", "\n", "next"}},
      {"x!!\r\n\r\n y", {"x", "!!\r\n\r\n", " y"}},
      {"a \n  \n  b", {"a", " \n  \n", " ", " b"}},
      {"a  1", {"a", " ", " ", "1"}},
      {"  ", {"  "}},
      {"\n\n\n", {"\n\n\n"}},
      {" !a", {" !", "a"}},
  };
  for (const auto& [text, words] : examples) {
    EXPECT_EQ(cut(PreTokenPattern::Llama3, text), words) << text;
  }
  EXPECT_EQ(cut(PreTokenPattern::Qwen2, "123 a"), (Words{"1", "2", "3", " a"}));
}

TEST(PreTokenizer, KnowsThePatternsAsTheyAreWritten) {
  for (const auto pattern :
       {PreTokenPattern::Gpt2, PreTokenPattern::Llama3, PreTokenPattern::Qwen2}) {
    EXPECT_EQ(pattern_called(regex_of(pattern)), pattern);
  }
  EXPECT_FALSE(pattern_called(R"(\w+|\s+)").has_value());
  EXPECT_EQ(regex_of(PreTokenPattern::Whole), "");
}

/// Characters that meet in all ways: classes, cases, line ends, marks and what marks change.
std::string random_text(const RandomStream& random, std::uint64_t& draw) {
  static constexpr char32_t kCharacters[] = {
      U'a',  U'b',   U's',   U'\'',  U' ',   U' ',    U'\n',  U'\r',  U'\t',   U'1',
      U'2',  U'!',   U'.',   0xa0,   0x301,  0x323,   0xe9,   0x93c,  0x928,   0x958,
      0x915, 0x4e2d, 0x3002, 0x1100, 0x1161, 0x11a8,  0xac00, 0x17f,  0x1f600, 0x661,
      0x9c7, 0x9be,  0x3000, 0x85,   0x344,  0x2f800, 0x212b, 0x200b, 0xfffd,  U'A'};
  std::string text;
  for (std::uint64_t i = random.bits64(draw++) % 20; i > 0; --i) {
    append_utf8(kCharacters[random.bits64(draw++) % std::size(kCharacters)], text);
  }
  // One in four is damaged.
  if (!text.empty() && random.bits64(draw++) % 4 == 0) {
    const std::uint64_t r = random.bits64(draw++);
    text[r % text.size()] = static_cast<char>(r >> 32);
  }
  return text;
}

Words read_and_cut(PreTokenPattern pattern, std::string_view text) {
  std::string repaired, normalized;
  return cut(pattern, to_nfc(repaired_utf8(text, repaired), normalized));
}

TEST(PreTokenizer, WhereATextMayBeCutItsPartsAreCutAsTheWhole) {
  const RandomStream random{.seed = 8};
  std::uint64_t draw = 0;
  int cuts = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = random_text(random, draw), more = random_text(random, draw);
    for (const auto pattern :
         {PreTokenPattern::Gpt2, PreTokenPattern::Llama3, PreTokenPattern::Qwen2}) {
      for (std::size_t at = 1; at < text.size(); ++at) {
        if (!PreTokenizer{.pattern = pattern}.may_cut(text, at)) continue;
        Words parts = read_and_cut(pattern, text.substr(0, at));
        // Whatever follows.
        for (const std::string& word : read_and_cut(pattern, text.substr(at) + more)) {
          parts.push_back(word);
        }
        ASSERT_EQ(parts, read_and_cut(pattern, text + more))
            << testing::PrintToString(text) << " at " << at;
        ++cuts;
      }
    }
  }
  EXPECT_GT(cuts, 100'000);
}

TEST(PreTokenizer, ARunOfAnythingIsGoneThroughOnce) {
  // 16 MB of each: with a look at the rest at every place this would take hours.
  for (const char* unit : {" ", "a", "\n", "1", "!", "\xc3\xa9", "'", " \n", "' "}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 24)) text += unit;
    for (const auto pattern : {PreTokenPattern::Gpt2, PreTokenPattern::Llama3}) {
      const PreTokenizer pre_tokenizer{.pattern = pattern};
      std::string_view rest = text;
      while (!rest.empty()) {
        const std::size_t bytes = pre_tokenizer.first(rest);
        ASSERT_GT(bytes, 0u);
        rest.remove_prefix(bytes);
      }
    }
  }
}

}  // namespace
}  // namespace krait
