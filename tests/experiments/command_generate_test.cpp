#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"
#include "train/generate.h"
#include "train/load_model.h"

namespace krait {
namespace {

class GenerateCommand : public testing::Test {
 protected:
  BinaryResult generate_with(std::vector<std::string> arguments) const {
    std::vector<std::string> all{"generate", "--model",  run_.path(), "--max-tokens",
                                 "30",       "--device", "cpu"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_krait(all);
  }
  SmallRun run_;
};

TEST_F(GenerateCommand, PrintsThePromptAndWhatTheModelAdds) {
  const LoadedModel loaded = load_model(run_.path());
  const GenerateOptions o{
      .max_tokens = 30, .sampling = {.temperature = 0.7, .top_k = 50, .top_p = 0.9}, .seed = 9};
  const std::string expected = generate(*loaded.model, *loaded.tokenizer, "- So", o).text;
  const std::vector<std::string> sampling{"--temperature", "0.7", "--top-k", "50",
                                          "--top-p",       "0.9", "--seed",  "9"};
  std::ofstream(run_.file("prompt")) << "- So";
  for (const std::vector<std::string>& prompt :
       {std::vector<std::string>{"--prompt", "- So"}, {"--prompt-file", run_.file("prompt")}}) {
    std::vector<std::string> arguments = sampling;
    arguments.insert(arguments.end(), prompt.begin(), prompt.end());
    const BinaryResult result = generate_with(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, "- So" + expected + "\n");
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(GenerateCommand, WithoutAPromptItStartsADocument) {
  const LoadedModel loaded = load_model(run_.path());
  const GenerateOptions o{.max_tokens = 30, .sampling = {.temperature = 0}};
  const std::string expected = generate(*loaded.model, *loaded.tokenizer, "", o).text + "\n";
  EXPECT_EQ(generate_with({"--temperature", "0"}).out, expected);  // standard input is empty
  EXPECT_EQ(generate_with({"--temperature", "0", "--prompt", ""}).out, expected);
}

TEST_F(GenerateCommand, WhatIsWrongIsOneLineWithItsExitCode) {
  const auto expect_code = [&](int code, std::vector<std::string> arguments) {
    const BinaryResult result = generate_with(std::move(arguments));
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  };
  expect_code(64, {"--prompt", "a", "--prompt-file", run_.file("prompt")});
  expect_code(64, {"--prompt", "a", "--top-p", "1.5"});
  expect_code(64, {"--prompt", "a", "--top-k", "-2"});
  expect_code(64, {"--prompt", "a", "--temperature", "-1"});
  expect_code(64, {"--prompt", "a", "--weights", "best"});
  expect_code(66, {"--prompt-file", run_.file("nowhere")});
  expect_code(66, {"--prompt", "a", "--weights", "averaged"});
}

}  // namespace
}  // namespace krait
