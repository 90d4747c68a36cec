// The library names its options; a command shows the flags that it has for them.
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"

namespace krait {
namespace {

class Flags : public testing::Test {
 protected:
  static std::string message(const std::vector<std::string>& arguments) {
    const BinaryResult result = run_krait(arguments);
    EXPECT_NE(result.code, 0);
    return result.err;
  }
  static void expect_end(const std::string& text, const std::string& end) {
    EXPECT_TRUE(text.ends_with(end)) << text;
  }
  SmallRun run_;
};

TEST_F(Flags, StandForTheOptionsThatTheLibraryNames) {
  EXPECT_EQ(
      message({"generate", "--model", run_.path(), "--prompt", "a", "--repetition-penalty", "-1"}),
      "krait: error: --repetition-penalty must be above 0, got -1.\n");
  std::ofstream(run_.file("task.jsonl")) << R"({"context": "a", "target": "bcdef"})";
  expect_end(message({"eval", "tasks", "--model", run_.path(), run_.file("task.jsonl"), "--device",
                      "cpu", "--max-length", "2"}),
             "; raise --max-length.\n");
  std::ofstream(run_.file("text")) << "a";
  EXPECT_EQ(message({"eval", "perplexity", "--model", run_.path(), "--text", run_.file("text"),
                     "--device", "cpu", "--protocol", "sliding", "--drop-last"}),
            "krait: error: --drop-last is for --protocol blocks only; leave it out.\n");
}

TEST_F(Flags, OfAnotherNameAreFoundToo) {
  std::ofstream(run_.file("long.jsonl")) << std::string((1 << 20) + 1, ' ');
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"data", "build"}, {"data", "train-tokenizer"}}) {
    std::vector<std::string> arguments = command;
    for (const std::string& word : {run_.file("long.jsonl"), std::string("--out"), run_.file("out"),
                                    std::string("--max-line-mib"), std::string("1")}) {
      arguments.push_back(word);
    }
    if (command[1] != "build") arguments.insert(arguments.end(), {"--vocab-size", "300"});
    expect_end(message(arguments),
               "long.jsonl:1: the line is longer than 1048576 bytes; check "
               "that it is text, or allow more (--max-line-mib).\n");
  }
}

TEST_F(Flags, OfOtherCommandsAreNotNamed) {
  // Its only special token is not known to end documents.
  std::ofstream(run_.file("words.txt")) << "some words";
  ASSERT_EQ(run_krait({"data", "train-tokenizer", run_.file("words.txt"), "--vocab-size", "257",
                       "--special", "<x>", "--out", run_.file("tokenizer.json")})
                .code,
            0);
  std::ofstream(run_.file("text")) << "a";
  expect_end(message({"generate", "--model", run_.path(), "--prompt", "a", "--tokenizer",
                      run_.file("tokenizer.json")}),
             "or as `end_of_document` where a token set is built.\n");
  expect_end(message({"data", "build", run_.file("text"), "--out", run_.file("set"), "--tokenizer",
                      run_.file("tokenizer.json")}),
             "or as --end-of-document where a token set is built.\n");
}

TEST_F(Flags, APrecisionThatTheDeviceLacksIsAMatterOfTheFlag) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"generate", "--model", run_.path(), "--prompt", "a"},
        {"bench", "step"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--device", "cpu", "--dtype", "bf16"});
    const std::string text = message(arguments);
    EXPECT_EQ(text.rfind("krait: error: --dtype bf16 needs CUDA, but ", 0), 0u) << text;
    expect_end(text, "; use --dtype f32.\n");
  }
}

}  // namespace
}  // namespace krait
