#include "data/tokenizer/added_tokens.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace krait {
namespace {

/// What a text is split into: "text", "[id]".
std::string split(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::string out;
  AddedTokenFinder(tokens).split(
      text, [&](std::string_view part) { out += "'" + std::string(part) + "'"; },
      [&](std::int32_t id) { out += "[" + std::to_string(id) + "]"; });
  return out;
}

TEST(AddedTokens, OfThoseThatStartAtOnePlaceTheLongestIsFound) {
  const std::vector<AddedToken> tokens{{.content = "ab", .id = 1},
                                       {.content = "abcd", .id = 2},
                                       {.content = "bcx", .id = 3},
                                       {.content = "ab", .id = 9}};
  EXPECT_EQ(split(tokens, "abcd"), "[2]");
  EXPECT_EQ(split(tokens, "abcx"), "[1]'cx'");  // the leftmost wins, not the longest
  EXPECT_EQ(split(tokens, "xabab-abc"), "'x'[1][1]'-'[1]'c'");
  EXPECT_EQ(split(tokens, ""), "");
  EXPECT_EQ(split({}, "text"), "'text'");
}

TEST(AddedTokens, ASingleByteIsFoundAtTheEnd) {
  EXPECT_EQ(split({{.content = "x", .id = 4}}, "axbx"), "'a'[4]'b'[4]");
}

TEST(AddedTokens, StripTakesBlanksAlong) {
  const AddedToken left{.content = "<l>", .id = 1, .lstrip = true},
      right{.content = "<r>", .id = 2, .rstrip = true}, plain{.content = "<p>", .id = 3};
  EXPECT_EQ(split({left, right, plain}, "a \n<l> b"), "'a'[1]' b'");
  EXPECT_EQ(split({left, right, plain}, "a <r> \xc2\xa0 b"), "'a '[2]'b'");
  EXPECT_EQ(split({left, right, plain}, "<r>  <l>"), "[2][1]");
  EXPECT_EQ(split({left, right, plain}, "<r> <p>  <r>  "), "[2][3]'  '[2]");
}

TEST(AddedTokens, BlanksThatWereTakenAlongAreNoTokens) {
  const AddedToken right{.content = "<r>", .id = 2, .rstrip = true},
      blanks{.content = "  ", .id = 5, .lstrip = true};
  EXPECT_EQ(split({right, blanks}, "<r>  x  y"), "[2]'x'[5]'y'");
}

TEST(AddedTokens, ASingleWordIsNotPartOfOne) {
  const std::vector<AddedToken> tokens{{.content = "cat", .id = 1, .single_word = true}};
  EXPECT_EQ(split(tokens,
                  "cat cats concat cat-cat _cat \xc3\xa9"
                  "cat"),
            "[1]' cats concat '[1]'-'[1]' _cat \xc3\xa9"
            "cat'");
}

TEST(AddedTokens, RunsOfBlanksTakeLinearTime) {
  std::vector<AddedToken> tokens;
  for (int n = 24; n > 1; --n) {
    tokens.push_back({.content = std::string(static_cast<std::size_t>(n), ' '), .id = n});
  }
  tokens.push_back({.content = "\t", .id = 1, .rstrip = true});
  tokens.push_back({.content = "\n", .id = 0, .lstrip = true});
  const AddedTokenFinder finder(tokens);
  for (const char blank : {' ', '\t', '\n'}) {
    std::size_t count = 0;
    finder.split(
        std::string(1 << 22, blank), [](auto) {}, [&](auto) { ++count; });
    EXPECT_GT(count, 0u);
  }
}

TEST(AddedTokens, NoCutIsAllowedThroughATokenOrBesideOneThatLooksAround) {
  const AddedTokenFinder finder({{.content = "<a b>", .id = 1},
                                 {.content = "left", .id = 2, .lstrip = true},
                                 {.content = "right", .id = 3, .rstrip = true},
                                 {.content = "zq", .id = 4, .normalized = true}});
  EXPECT_FALSE(finder.may_cut('a', ' '));
  EXPECT_FALSE(finder.may_cut('<', 'a'));
  EXPECT_FALSE(finder.may_cut('\n', 'l'));
  EXPECT_FALSE(finder.may_cut('t', ' '));
  EXPECT_FALSE(finder.may_cut('z', '!'));
  EXPECT_TRUE(finder.may_cut('b', ' '));
  EXPECT_TRUE(finder.may_cut('\n', 'r'));
}

}  // namespace
}  // namespace krait
