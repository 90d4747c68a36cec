#include "train/generate/generate.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

std::string text_after(const LoadedModel& loaded, const std::string& prompt,
                       const GenerateOptions& options) {
  return generate(*loaded.model, *loaded.tokenizer, std::vector{prompt}, options).at(0).text;
}

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
  const std::string expected = text_after(loaded, "- So", o);
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
  const std::string expected = text_after(loaded, "", o) + "\n";
  EXPECT_EQ(generate_with({"--temperature", "0"}).out, expected);  // standard input is empty
  EXPECT_EQ(generate_with({"--temperature", "0", "--prompt", ""}).out, expected);
}

TEST_F(GenerateCommand, ReportsTheTextAndItsSpeed) {
  const std::string file = run_.file("report.json");
  const BinaryResult result = generate_with({"--prompt", "- So", "--seed", "3", "--json", file});
  EXPECT_EQ(result.code, 0) << result.err;
  std::ifstream stream(file);
  const auto report = nlohmann::json::parse(stream);
  EXPECT_EQ("- So" + report["text"].get<std::string>() + "\n", result.out);
  EXPECT_EQ(report["n_tokens"].get<std::size_t>(), report["tokens"].size());
  // The model is described as in every report of krait eval.
  EXPECT_EQ(report["dtype"], "f32");
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["step"], 7);
  EXPECT_EQ(report["weights"], "trained");
  EXPECT_EQ(report["tokenizer"]["name"], "byte");
  EXPECT_EQ(report["tokenizer"]["sha256"], ByteTokenizer().identity().sha256);
  EXPECT_GT(report["seconds"].get<double>(), 0);
  EXPECT_NEAR(report["tokens_per_second"].get<double>() * report["seconds"].get<double>(),
              report["n_tokens"].get<double>(), 1e-6);
}

TEST_F(GenerateCommand, SeveralPromptsGiveALineOfJsonEach) {
  const std::vector<std::string> prompts{"- So", "", "Why \"\n"};
  const GenerateOptions o{.max_tokens = 30, .sampling = {.min_p = 0.02}, .seed = 5, .stop = {"e"}};
  const LoadedModel loaded = load_model(run_.path());
  const auto expected = generate(*loaded.model, *loaded.tokenizer, prompts, o);
  std::ofstream(run_.file("prompts.jsonl")) << R"("- So")"
                                            << "\n\n{\"id\": 3, \"prompt\": \"\"}\n"
                                            << R"({"prompt": "Why \"\n"})";
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"--prompts", run_.file("prompts.jsonl"), "--batch", "2"},
        {"--prompt", prompts[0], "--prompt", prompts[1], "--prompt", prompts[2]}}) {
    for (const char* s :
         {"--min-p", "0.02", "--seed", "5", "--stop", "e", "--stop", "never that"}) {
      arguments.emplace_back(s);
    }
    const BinaryResult result = generate_with(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    std::istringstream lines(result.out);
    std::string line;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      ASSERT_TRUE(std::getline(lines, line));
      const auto json = nlohmann::json::parse(line);
      EXPECT_EQ(json["prompt"], prompts[i]);
      EXPECT_EQ(json["text"], expected[i].text);
      EXPECT_EQ(json["tokens"], expected[i].tokens);
      EXPECT_EQ(json["finish_reason"], name_of(expected[i].finish));
    }
    EXPECT_FALSE(std::getline(lines, line));
  }
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
  expect_code(64, {"--prompt", "a", "--min-p", "2"});
  expect_code(64, {"--prompt", "a", "--repetition-penalty", "0"});
  expect_code(64, {"--prompt", "a", "--batch", "0"});
  std::ofstream(run_.file("bad.jsonl")) << "\"good\"\n{\"text\": 1}\n";
  expect_code(65, {"--prompts", run_.file("bad.jsonl")});
  expect_code(66, {"--prompts", run_.file("nowhere")});
  expect_code(66, {"--prompt-file", run_.file("nowhere")});
  expect_code(66, {"--prompt", "a", "--weights", "averaged"});
}

}  // namespace
}  // namespace krait
