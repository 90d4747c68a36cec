#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "core/system/hash.h"
#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"
#include "train/evaluate/choice_tasks.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

class EvalTasks : public testing::Test {
 protected:
  EvalTasks() {
    std::ofstream(run_.file("piqa.jsonl"))
        << R"({"context": "Question: how?\nAnswer:", "choices": ["so", "like this"], "gold": 1})"
        << "\n"
        << R"({"context": "", "choices": ["yes", "no", "caf\u00e9"], "gold": 0})"
        << "\n";
    std::ofstream(run_.file("lambada.jsonl")) << R"({"text": "It was the best of times"})"
                                              << "\n"
                                              << R"({"context": "It was", "target": "the"})"
                                              << "\n";
  }
  BinaryResult tasks(std::vector<std::string> arguments) const {
    std::vector<std::string> all{"eval", "tasks", "--model", run_.path(), "--device", "cpu"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_krait(all);
  }
  SmallRun run_;
};

TEST_F(EvalTasks, ReportsTheFiguresOfEveryFileAndTheScoresOfEveryExample) {
  const BinaryResult result = tasks({run_.file("piqa.jsonl"), run_.file("lambada.jsonl"), "--json",
                                     run_.file("r.json"), "--samples", run_.file("samples.jsonl")});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto r = nlohmann::json::parse(read_file(run_.file("r.json")));
  EXPECT_EQ(r["max_length"], 2048);
  EXPECT_EQ(r["step"], 7);
  EXPECT_EQ(r["prefix_token"], 256);
  ASSERT_EQ(r["tasks"].size(), 2u);
  std::ifstream samples(run_.file("samples.jsonl"));
  const LoadedModel loaded = load_model(run_.path());
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& task = r["tasks"][i];
    const TaskFile file = read_task_file(task["file"].get<std::string>());
    const auto scores = score_task(*loaded.model, *loaded.tokenizer, file, {});
    EXPECT_EQ(task["name"], i == 0 ? "piqa" : "lambada");
    EXPECT_EQ(task["kind"], i == 0 ? "multiple_choice" : "last_word");
    EXPECT_EQ(task["n_examples"], 2);
    EXPECT_EQ(task["sha256"], file.sha256);
    for (const TaskFigure& f : task_figures(file, scores)) {
      EXPECT_EQ(task[f.name], f.value);
      EXPECT_EQ(task[f.name + "_stderr"], f.standard_error);
      EXPECT_NE(result.out.find(f.name), std::string::npos) << result.out;
    }
    for (const ExampleScore& score : scores) {
      std::string line;
      ASSERT_TRUE(std::getline(samples, line));
      const auto sample = nlohmann::json::parse(line);
      ASSERT_EQ(sample["loglikelihoods"].size(), score.choices.size());
      for (std::size_t c = 0; c < score.choices.size(); ++c) {
        EXPECT_EQ(sample["loglikelihoods"][c], score.choices[c].loglikelihood);
        EXPECT_EQ(sample["n_tokens"][c], score.choices[c].n_tokens);
        EXPECT_EQ(sample["greedy"][c], score.choices[c].greedy);
      }
    }
  }
}

TEST_F(EvalTasks, WhatIsWrongIsOneLineWithItsExitCode) {
  const auto expect_failure = [&](int code, const std::string& part,
                                  std::vector<std::string> arguments) {
    const BinaryResult result = tasks(std::move(arguments));
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  };
  std::ofstream(run_.file("bad.jsonl")) << "{\"context\": \"x\"}\n";
  expect_failure(64, "FILE", {});
  expect_failure(66, "nowhere", {run_.file("nowhere")});
  expect_failure(65, "bad.jsonl:1", {run_.file("piqa.jsonl"), run_.file("bad.jsonl")});
  expect_failure(65, "--max-length", {run_.file("piqa.jsonl"), "--max-length", "3"});
  expect_failure(64, "--max-length", {run_.file("piqa.jsonl"), "--max-length", "0"});
  expect_failure(64, "--batch must be 0 (as suits the threads) or more, got -1.",
                 {run_.file("piqa.jsonl"), "--batch", "-1"});
  EXPECT_EQ(tasks({run_.file("piqa.jsonl"), "--batch", "0"}).code, 0);
}

}  // namespace
}  // namespace krait
