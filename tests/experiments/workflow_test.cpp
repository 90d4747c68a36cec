// The commands one after the other, as a user runs them, on a model of a few thousand parameters.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"
#include "tests/support/device.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Built and trained once; every case looks at another part of it.
class Workflow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = fs::path(::testing::TempDir()) / ("krait_workflow_" + std::to_string(getpid()));
    fs::create_directories(directory_ / "text");
    for (int i = 0; i < 20; ++i) {
      std::ofstream file(directory_ / "text" / (std::to_string(i) + ".txt"));
      for (int k = 0; k < 30; ++k) file << "line " << k * i % 7 << " of a small text.\n";
    }
    build_ = run_krait({"data", "build", at("text"), "--out", at("set"), "--held-out", "0.2",
                        "--json", at("build.json")});
    std::ofstream(at("c.yaml")) << "run: {directory: " << at("run") << ", seed: 3, device: cpu}\n"
                                << "model: {d_model: 16, n_layer: 2, d_state: 4}\n"
                                << "data: {train: " << at("set/train.h5")
                                << ", valid: " << at("set/valid.h5") << ", sequence_length: 32}\n"
                                << "train: {steps: 8, batch_size: 4}\n"
                                << "optimizer: {lr: 0.01}\n"
                                << "checkpoint: {every: 4}\n"
                                << "evaluation: {every: 4}\n";
    train_ = run_krait({"train", at("c.yaml"), "--json", at("train.json")});
  }
  static void TearDownTestSuite() { fs::remove_all(directory_); }

  static std::string at(const std::string& name) { return (directory_ / name).string(); }
  static json report(const std::string& name) { return json::parse(read_file(at(name))); }

  static fs::path directory_;
  static BinaryResult build_, train_;
};
fs::path Workflow::directory_;
BinaryResult Workflow::build_, Workflow::train_;

void expect_one_error_line(const BinaryResult& result, int code) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.err.rfind("krait: error: ", 0), 0u) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST_F(Workflow, DataBuildWritesBothSetsAndReportsThem) {
  ASSERT_EQ(build_.code, 0) << build_.err;
  const json built = report("build.json");
  EXPECT_EQ(built["train"]["n_documents"].get<int>() + built["valid"]["n_documents"].get<int>(),
            20);
  EXPECT_EQ(built["train"]["tokenizer"], "byte");
  EXPECT_TRUE(fs::exists(at("set/train.h5")));
  EXPECT_NE(build_.out.find("valid.h5"), std::string::npos);
}

TEST_F(Workflow, DataInfoAndVerifyAgreeWithTheBuild) {
  const BinaryResult info = run_krait({"data", "info", at("set/train.h5"), "--json", at("i.json")});
  ASSERT_EQ(info.code, 0) << info.err;
  EXPECT_EQ(report("i.json"), report("build.json")["train"]);
  EXPECT_EQ(run_krait({"data", "verify", at("set/train.h5")}).code, 0);
}

TEST_F(Workflow, DataVerifyFindsADamagedSet) {
  fs::copy_file(at("set/train.h5"), at("damaged.h5"), fs::copy_options::overwrite_existing);
  std::fstream file(at("damaged.h5"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(at("damaged.h5")) / 2));
  file << "\x01\x02\x03\x04\x05\x06\x07\x08";
  file.close();
  expect_one_error_line(run_krait({"data", "verify", at("damaged.h5")}), 65);
}

TEST_F(Workflow, TrainFinishesAndReportsWhereItIs) {
  ASSERT_EQ(train_.code, 0) << train_.err;
  const json trained = report("train.json");
  EXPECT_EQ(trained["step"], 8);
  EXPECT_TRUE(trained["finished"]);
  EXPECT_TRUE(fs::exists(trained["checkpoint"].get<std::string>()));
  EXPECT_GT(trained["evaluation_loss"].get<double>(), 0);
  EXPECT_TRUE(fs::exists(at("run/config.yaml")));
  EXPECT_TRUE(fs::exists(at("run/metrics.jsonl")));
}

TEST_F(Workflow, TrainAgainHasNothingToDoAndChangesNothing) {
  const std::string hash = report("train.json")["parameter_hash"];
  const BinaryResult again = run_krait({"train", at("c.yaml"), "--json", at("again.json")});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(report("again.json")["parameter_hash"], hash);
}

TEST_F(Workflow, TrainRefusesWhatItCannotDo) {
  expect_one_error_line(run_krait({"train", at("c.yaml"), "optimizer.lr=x"}), 78);
  expect_one_error_line(run_krait({"train", at("absent.yaml")}), 66);
  const std::string elsewhere = "run.directory=" + at("elsewhere");
  EXPECT_EQ(run_krait({"train", at("c.yaml"), elsewhere, "data.train=" + at("no.h5")}).code, 66);
  EXPECT_EQ(
      run_krait({"train", at("c.yaml"), elsewhere, "--device", "cpu", "train.precision=bf16"}).code,
      78);
}

TEST_F(Workflow, TheTrainedModelIsEvaluatedAndWritesText) {
  const BinaryResult eval =
      run_krait({"eval", "perplexity", "--model", at("run"), "--data", at("set/valid.h5"),
                 "--device", "cpu", "--json", at("p.json")});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_LT(report("p.json")["bits_per_byte"].get<double>(), 8);

  const BinaryResult text =
      run_krait({"generate", "--model", at("run"), "--prompt", "line", "--max-tokens", "20",
                 "--greedy", "--device", "cpu", "--json", at("g.json")});
  ASSERT_EQ(text.code, 0) << text.err;
  const json g = report("g.json");
  EXPECT_EQ(text.out, "line" + g["text"].get<std::string>() + "\n");
  EXPECT_EQ(g["n_tokens"], g["tokens"].size());
  EXPECT_EQ(g["temperature"], 0);
  expect_one_error_line(run_krait({"generate", "--model", at("run"), "--greedy", "--temperature",
                                   "1", "--prompt", "a"}),
                        64);
}

TEST_F(Workflow, MistypedChoicesGetASuggestion) {
  const BinaryResult protocol = run_krait(
      {"eval", "perplexity", "--model", at("run"), "--text", "a", "--protocol", "slidng"});
  expect_one_error_line(protocol, 64);
  EXPECT_NE(protocol.err.find("did you mean sliding?"), std::string::npos) << protocol.err;
  const BinaryResult flag =
      run_krait({"generate", "--model", at("run"), "--prompt", "a", "--temprature", "1"});
  EXPECT_EQ(flag.err, "krait: error: unknown flag --temprature; did you mean --temperature?\n");
}

TEST_F(Workflow, CheckpointsOfTheRunAreIntact) {
  EXPECT_EQ(run_krait({"checkpoint", "verify", at("run")}).code, 0);
  const BinaryResult list = run_krait({"checkpoint", "ls", at("run")});
  EXPECT_NE(list.out.find("step_00000008"), std::string::npos) << list.out;
}

TEST_F(Workflow, BenchStepMeasuresASmallModel) {
  const BinaryResult result = run_krait(
      {"bench", "step", "--d-model", "16", "--n-layer", "1", "--vocab-size", "32", "--batch", "1",
       "--length", "8", "--seconds", "0", "--device", "cpu", "--json", at("b.json")});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_GT(report("b.json")["tokens_per_second"].get<double>(), 0);
  EXPECT_EQ(report("b.json")["device"], "cpu");
  expect_one_error_line(run_krait({"bench", "step", "--device", "cpu", "--dtype", "bf16"}), 64);
}

using GpuWorkflow = Workflow;
TEST_F(GpuWorkflow, ARunInBf16IsTrainedEvaluatedContinuedAndMeasured) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::string run = "run.directory=" + at("gpu");
  const BinaryResult trained = run_krait({"train", at("c.yaml"), run, "--device", "cuda",
                                          "train.precision=bf16", "--json", at("gpu.json")});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.err.find("in bf16 on cuda:0 ("), std::string::npos) << trained.err;
  std::map<std::string, double> bits;
  for (const std::string device : {"cuda", "cpu"}) {  // in bf16 and in f32
    const BinaryResult eval =
        run_krait({"eval", "perplexity", "--model", at("gpu"), "--data", at("set/valid.h5"),
                   "--device", device, "--json", at("p.json")});
    ASSERT_EQ(eval.code, 0) << eval.err;
    EXPECT_EQ(report("p.json")["dtype"], device == "cuda" ? "bf16" : "f32");
    bits[device] = report("p.json")["bits_per_byte"].get<double>();
    EXPECT_EQ(run_krait({"generate", "--model", at("gpu"), "--prompt", "line", "--max-tokens", "20",
                         "--device", device})
                  .code,
              0);
  }
  EXPECT_NEAR(bits["cuda"], bits["cpu"], 0.01 * bits["cpu"]);
  const BinaryResult bench = run_krait(
      {"bench",    "step",    "--d-model", "64",       "--n-layer", "2",         "--vocab-size",
       "64",       "--batch", "2",         "--length", "64",        "--seconds", "0",
       "--device", "cuda",    "--dtype",   "bf16",     "--json",    at("b.json")});
  ASSERT_EQ(bench.code, 0) << bench.err;
  EXPECT_GT(report("b.json")["median_ms"].get<double>(), 0);
  EXPECT_EQ(report("b.json")["driver_calls_after_first_step"], 0);
}

TEST_F(Workflow, BenchKernelsMeasuresTheOnesAskedFor) {
  const BinaryResult result = run_krait(
      {"bench", "kernels", "--filter", "causal_conv1d", "--seconds", "0", "--json", at("k.json")});
  ASSERT_EQ(result.code, 0) << result.err;
  const json measured = report("k.json");
  EXPECT_GT(measured["copy_gb_per_s"].get<double>(), 0);
  EXPECT_FALSE(measured["kernels"].empty());
  EXPECT_NE(result.out.find("causal_conv1d"), std::string::npos) << result.out;
  expect_one_error_line(run_krait({"bench", "kernels", "--filter", "no such kernel"}), 64);
}

}  // namespace
}  // namespace krait
