#include "train/evaluate/white_space.h"

#include <string>

#include <gtest/gtest.h>

namespace krait {
namespace {

const std::string kSpaces[] = {"\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",
                               "\x1d",   "\x1e",   "\x1f",   " ",      "\u0085", "\u00a0",
                               "\u1680", "\u2000", "\u2005", "\u200a", "\u2028", "\u2029",
                               "\u202f", "\u205f", "\u3000"};
const std::string kOthers[] = {"\x08",   "\x0e",   "\x1b",   "!",      "\u0084", "\u00a1",
                               "\u167f", "\u1681", "\u180e", "\u200b", "\u2027", "\u202a",
                               "\u2060", "\u205e", "\u3001", "\x85",   "\xa0",   "\xe2\x80"};

TEST(WhiteSpace, IsFoundWithItsLengthAndNothingElseIs) {
  for (const std::string& space : kSpaces) {
    EXPECT_EQ(white_space_at("a" + space + "b", 1), space.size()) << space;
    EXPECT_EQ(white_space_at("a" + space, 1), space.size()) << space;
  }
  for (const std::string& other : kOthers) EXPECT_EQ(white_space_at(other, 0), 0u) << other;
  EXPECT_EQ(white_space_at("", 0), 0u);
}

TEST(WhiteSpace, IsStrippedFromTheEnds) {
  for (const std::string& space : kSpaces) {
    for (const std::string& next : kSpaces) {
      const std::string text = space + next + "a" + space + "b" + next + space;
      EXPECT_EQ(strip_start(text), "a" + space + "b" + next + space);
      EXPECT_EQ(strip_end(text), space + next + "a" + space + "b");
      EXPECT_EQ(strip(text), "a" + space + "b");
      EXPECT_EQ(strip(space + next), "");
    }
  }
  for (const std::string& other : kOthers) EXPECT_EQ(strip(" " + other + "\n"), other);
  EXPECT_EQ(strip("\u00e9\u00a0"), "\u00e9");
  EXPECT_EQ(strip(""), "");
}

}  // namespace
}  // namespace krait
