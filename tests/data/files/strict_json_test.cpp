#include "data/files/strict_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(StrictJson, ReadsAnObject) {
  const auto value = parse_strict_json(R"({"a": {"b": [1, 2.5]}, "b": {"a": null}})", "f.json");
  EXPECT_EQ(value["a"]["b"][1], 2.5);
  EXPECT_TRUE(value["b"]["a"].is_null());
}

TEST(StrictJson, AKeyTwiceInOneObjectIsRefused) {
  for (const char* text : {R"({"a": 1, "a": 1})", R"({"x": [{"a": 1, "b": 2, "a": 3}]})",
                           R"({"a": {"a": 1}, "b": 1, "\u0061": 2})"}) {
    expect_error(ErrorKind::BadData, {"f.json", "\"a\" twice"},
                 [&] { parse_strict_json(text, "f.json"); });
  }
}

TEST(StrictJson, WhatIsNotAJsonObjectIsRefused) {
  for (const std::string text : {"", "{", "[1]", "1", "{\"a\": 01}", "{\"a\": 1} x", "{'a': 1}",
                                 "{\"a\": \"\xff\"}", "{\"a\": 1e999}", "{\"a\": NaN}"}) {
    expect_error(ErrorKind::BadData, {"f.json", "JSON"},
                 [&] { parse_strict_json(text, "f.json"); });
  }
}

TEST(StrictJson, DeepNestingIsRefusedWithoutRecursion) {
  const auto nested = [](int depth) {
    return "{\"a\": " + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  EXPECT_NO_THROW(parse_strict_json(nested(5), "f.json", 5));
  expect_error(ErrorKind::BadData, {"nests more than 5"},
               [&] { parse_strict_json(nested(6), "f.json", 5); });
  expect_error(ErrorKind::BadData, {"nests more than 32"},
               [&] { parse_strict_json(nested(10'000'000), "f.json"); });
}

}  // namespace
}  // namespace krait
