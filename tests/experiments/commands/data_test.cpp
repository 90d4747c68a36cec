// krait data random, and what a run on such a set can do.
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class RandomData : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return (directory_ / name).string(); }
  json report(const std::string& name) const { return json::parse(read_file(at(name))); }

  // The set of a published vocabulary, and a run on it of the published configuration with a small
  // model.
  void make_set(const std::string& name, const std::string& seed) const {
    const BinaryResult made = run_krait({"data", "random", "--vocab", "50277", "--tokens", "2000",
                                         "--documents", "3", "--seed", seed, "--out", at(name)});
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_NE(made.out.find("2000 tokens in 3 documents"), std::string::npos) << made.out;
  }
  BinaryResult train(const std::string& steps) const {
    return run_krait({"train",
                      KRAIT_SOURCE_DIR "/configs/mamba_130m.yaml",
                      "run.directory=" + at("run"),
                      "model.d_model=8",
                      "model.n_layer=1",
                      "data.train=" + at("train.h5"),
                      "data.valid=" + at("valid.h5"),
                      "data.sequence_length=32",
                      "train.precision=f32",
                      "train.batch_size=4",
                      "train.accumulation=2",
                      "train.steps=" + steps,
                      "schedule.warmup_steps=1",
                      "checkpoint.every=2",
                      "evaluation.every=2",
                      "evaluation.max_tokens=64",
                      "evaluation.sample_tokens=3",
                      "--device",
                      "cpu",
                      "--json",
                      at("train.json")});
  }
  TemporaryDirectory directory_;
};

TEST_F(RandomData, APublishedConfigurationIsTrainedResumedEvaluatedAndContinuesNumbers) {
  make_set("train.h5", "1");
  make_set("valid.h5", "2");
  const BinaryResult first = train("2");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NEAR(report("train.json")["evaluation_loss"].get<double>(), std::log(50277), 0.1);
  const BinaryResult resumed = train("4");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resumed from"), std::string::npos) << resumed.err;
  EXPECT_EQ(report("train.json")["step"], 4);
  EXPECT_EQ(read_file(at("run/samples/step_00000004.txt")).front(), ' ');

  const BinaryResult eval = run_krait({"eval", "perplexity", "--model", at("run"), "--data",
                                       at("valid.h5"), "--device", "cpu", "--json", at("p.json")});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(report("p.json")["tokenizer"]["name"], "numbers-50277");
  EXPECT_EQ(report("p.json")["n_tokens"], 1997);

  const BinaryResult text =
      run_krait({"generate", "--model", at("run"), "--prompt", "17 4", "--max-tokens", "2",
                 "--device", "cpu", "--json", at("g.json")});
  ASSERT_EQ(text.code, 0) << text.err;
  const auto tokens = report("g.json")["tokens"].get<std::vector<int>>();
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(text.out, "17 4 " + std::to_string(tokens[0]) + " " + std::to_string(tokens[1]) + "\n");
  const BinaryResult words =
      run_krait({"generate", "--model", at("run"), "--prompt", "The state", "--device", "cpu"});
  EXPECT_EQ(words.code, 65);
  EXPECT_NE(words.err.find("'The' is not a token"), std::string::npos) << words.err;
}

TEST_F(RandomData, IsDescribedByItsReportAndByInfo) {
  make_set("a.h5", "7");
  ASSERT_EQ(run_krait({"data", "info", at("a.h5"), "--json", at("i.json")}).code, 0);
  EXPECT_EQ(report("i.json")["vocab_size"], 50277);
  EXPECT_EQ(report("i.json")["provenance"]["seed"], 7);
  EXPECT_EQ(run_krait({"data", "verify", at("a.h5")}).code, 0);
}

TEST_F(RandomData, WrongNumbersAreUsageErrors) {
  const auto code = [&](const std::string& vocab, const std::string& tokens,
                        const std::string& documents) {
    return run_krait({"data", "random", "--vocab", vocab, "--tokens", tokens, "--documents",
                      documents, "--out", at("no.h5")})
        .code;
  };
  EXPECT_EQ(code("1", "10", "1"), 64);
  EXPECT_EQ(code("9", "-1", "1"), 64);
  EXPECT_EQ(code("9", "0", "1"), 64);
  EXPECT_EQ(code("9", "10", "-1"), 64);
  EXPECT_EQ(code("9", "10", "11"), 64);
  EXPECT_EQ(run_krait({"data", "random", "--vocab", "9", "--tokens", "9"}).code, 64);
  EXPECT_FALSE(fs::exists(at("no.h5")));
}

}  // namespace
}  // namespace krait
