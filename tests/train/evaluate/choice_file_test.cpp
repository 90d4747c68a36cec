#include "train/evaluate/choice_file.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "core/system/hash.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class ReadTaskFile : public ::testing::Test {
 protected:
  TaskFile read(const std::string& contents) const {
    std::ofstream(path(), std::ios::binary) << contents;
    return read_task_file(path());
  }
  std::filesystem::path path() const { return directory_ / "task.jsonl"; }
  void expect_bad(const std::string& part, const std::string& contents) const {
    expect_error(ErrorKind::BadData, {part}, [&] { read(contents); });
  }
  TemporaryDirectory directory_;
};

TEST_F(ReadTaskFile, HoldsMultipleChoiceExamples) {
  const std::string contents =
      R"({"context": "a\u00e9", "choices": ["x", "y z"], "gold": 1, "other": [1, {}]})"
      "\r\n\n"
      R"({"context": "", "choices": ["p", "q", "r"], "gold": 0})";
  const TaskFile file = read(contents);
  EXPECT_EQ(file.kind, TaskKind::MultipleChoice);
  EXPECT_EQ(file.sha256, sha256_hex(contents));
  ASSERT_EQ(file.examples.size(), 2u);
  EXPECT_EQ(file.examples[0].context, "a\u00e9");
  EXPECT_EQ(file.examples[0].choices, (std::vector<std::string>{"x", "y z"}));
  EXPECT_EQ(file.examples[0].gold, 1u);
  EXPECT_EQ(file.examples[1].context, "");
  EXPECT_EQ(file.examples[1].line, 3u);
}

TEST_F(ReadTaskFile, HoldsLastWordsGivenOrAtTheEndOfATextAsInLambada) {
  const TaskFile file =
      read("{\"context\": \"in the\", \"target\": \"end\"}\n{\"text\": \"to be  or not\"}\n");
  EXPECT_EQ(file.kind, TaskKind::LastWord);
  ASSERT_EQ(file.examples.size(), 2u);
  EXPECT_EQ(file.examples[0].choices, std::vector<std::string>{"end"});
  EXPECT_EQ(file.examples[1].context, "to be  or");
  EXPECT_EQ(file.examples[1].choices, std::vector<std::string>{"not"});
}

TEST_F(ReadTaskFile, WhatIsWrongIsSaidWithTheLine) {
  const std::string good = "{\"context\": \"a\", \"choices\": [\"x\", \"y\"], \"gold\": 0}\n";
  expect_bad("no example", "");
  expect_bad("no example", "\n \n");
  expect_bad("task.jsonl:2: is not a JSON object", good + "{\"context\": ");
  expect_bad("task.jsonl:2: is not a JSON object", good + "[1]");
  expect_bad("task.jsonl:1: is not a JSON object", std::string(100000, '['));
  expect_bad("task.jsonl:2: needs a string 'context'",
             good + "{\"choices\": [\"x\", \"y\"], \"gold\": 0}");
  expect_bad("needs a string 'context'", "{\"context\": 1, \"target\": \"x\"}");
  expect_bad("'choices'", "{\"context\": \"a\", \"choices\": [\"x\"], \"gold\": 0}");
  expect_bad("'choices'", "{\"context\": \"a\", \"choices\": [\"x\", 2], \"gold\": 0}");
  expect_bad("'choices'", "{\"context\": \"a\", \"choices\": [\"x\", \"\"], \"gold\": 0}");
  for (const char* gold : {"2", "-1", "\"0\"", "0.5", "null"}) {
    expect_bad("0 to 1", "{\"context\": \"a\", \"choices\": [\"x\", \"y\"], \"gold\": " +
                             std::string(gold) + "}");
  }
  expect_bad("0 to 1", "{\"context\": \"a\", \"choices\": [\"x\", \"y\"]}");
  expect_bad("'target'", "{\"context\": \"a\", \"target\": \"\"}");
  expect_bad("last word", "{\"text\": \"oneword\"}");
  expect_bad("last word", "{\"text\": \"ends with a blank \"}");
  expect_bad("needs 'context'", "{}");
  expect_bad("task.jsonl:2: has a target", good + "{\"context\": \"a\", \"target\": \"b\"}");
  expect_error(ErrorKind::MissingInput, {"nowhere"},
               [&] { read_task_file(directory_ / "nowhere"); });
}

}  // namespace
}  // namespace krait
