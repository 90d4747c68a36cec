#include "train/generate/stop_strings.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace krait {
namespace {

/// All that is passed on of `text`, given in pieces of `size` bytes.
std::string passed(const std::vector<std::string>& stops, const std::string& text, std::size_t size,
                   bool* found) {
  StopStrings stream(stops);
  std::string all;
  for (std::size_t i = 0; i < text.size(); i += size) all += stream.push(text.substr(i, size));
  *found = stream.found();
  return all + stream.finish();
}

TEST(StopStrings, TheTextEndsBeforeTheFirstOneHoweverItIsCut) {
  struct Case {
    std::vector<std::string> stops;
    std::string text, expected;
    bool found;
  };
  const std::vector<Case> cases{
      {{}, "abc", "abc", false},
      {{"x"}, "abc", "abc", false},
      {{"c"}, "abc", "ab", true},
      {{"ab"}, "aab", "a", true},
      {{"aab"}, "aaaab!", "aa", true},
      {{"abac"}, "ababac", "ab", true},
      {{"\n\n", "END"}, "one\ntwo\n\nEND", "one\ntwo", true},
      {{"END", "\n\n"}, "one END\n\n", "one ", true},
      {{"abcd"}, "xabc", "xabc", false},  // unfinished at the end: text after all
      {{""}, "abc", "abc", false},
  };
  for (const Case& c : cases) {
    for (std::size_t size = 1; size <= c.text.size(); ++size) {
      bool found = false;
      EXPECT_EQ(passed(c.stops, c.text, size, &found), c.expected) << c.text << " by " << size;
      EXPECT_EQ(found, c.found) << c.text;
    }
  }
}

TEST(StopStrings, WhatCannotBeAStartIsPassedOnAtOnce) {
  StopStrings stream({"stop"});
  EXPECT_EQ(stream.push("go on, s"), "go on, ");
  EXPECT_EQ(stream.push("t"), "");
  EXPECT_EQ(stream.push("ay"), "stay");
  EXPECT_EQ(stream.push("sto"), "");
  EXPECT_EQ(stream.push("p it"), "");
  EXPECT_TRUE(stream.found());
  EXPECT_EQ(stream.push("more"), "");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace krait
