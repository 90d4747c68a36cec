#include "data/unicode/utf8_stream.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace krait {
namespace {

using namespace std::string_view_literals;

TEST(Utf8Stream, HoldsAnUnfinishedCharacterBack) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xc3"), "a");
  EXPECT_EQ(stream.push("\xa9z\xf0"), "\u00e9z");
  EXPECT_EQ(stream.push("\x9f"), "");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80"), "\U0001f600");
  EXPECT_EQ(stream.push(""), "");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push("\xe2\x82"), "");
  EXPECT_EQ(stream.finish(), "\ufffd");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, ReplacesBrokenPartsAsPythonDoesHoweverTheTextIsCut) {
  // bytes.decode("utf-8", "replace") of Python 3
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"plain"sv, "plain"sv},
      {"\xc3\xa9\xe2\x88\x91\xf0\x9f\x98\x80"sv, "\u00e9\u2211\U0001f600"sv},
      {"\x80"sv, "\ufffd"sv},
      {"a\xc0\xaf"
       "b"sv,
       "a\ufffd\ufffd"
       "b"sv},
      {"\xed\xa0\x80"sv, "\ufffd\ufffd\ufffd"sv},
      {"\xf0\x9f\x98"sv, "\ufffd"sv},
      {"\xf0\x9f\x98"
       "a"sv,
       "\ufffd"
       "a"sv},
      {"\xe2\x28\xa1"sv, "\ufffd(\ufffd"sv},
      {"\xf4\x90\x80\x80"sv, "\ufffd\ufffd\ufffd\ufffd"sv},
      {"\xff\xfe"sv, "\ufffd\ufffd"sv},
      {"\xe0\x80\x80"sv, "\ufffd\ufffd\ufffd"sv},
      {"\xc3\xc3\xa9"sv, "\ufffd\u00e9"sv},
      {"\xf1\x80\x80"sv, "\ufffd"sv},
      {"\xef\xbf\xbd\0"sv, "\ufffd\0"sv},
  };
  for (const auto& [bytes, text] : cases) {
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
      Utf8Stream stream;
      std::string result;
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        result += stream.push(bytes.substr(at, step));
      }
      result += stream.finish();
      EXPECT_EQ(result, text) << "in pieces of " << step;
    }
  }
}

}  // namespace
}  // namespace krait
