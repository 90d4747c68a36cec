#include "train/run/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class CheckpointCommand : public testing::Test {
 protected:
  CheckpointCommand()
      : run_(fs::path(testing::TempDir()) / ("krait_checkpoints_" + std::to_string(getpid()))) {
    fs::remove_all(run_);
    for (const std::int64_t step : {5, 10, 15}) save(step);
  }
  ~CheckpointCommand() override { fs::remove_all(run_); }

  void save(std::int64_t step) {
    CheckpointState state;
    state.position = {.step = step,
                      .samples = 8,
                      .tokens = static_cast<std::uint64_t>(100 * step),
                      .best_loss = 1.25,
                      .best_step = 10};
    state.config_yaml = "run: {}\n";
    state.vocab_size = 256;
    CheckpointTensors tensors;
    tensors.parameters = {{"w", Tensor::zeros(Shape{3}, DType::F32)}};
    paths_.push_back(save_checkpoint(run_ / "checkpoints", state, tensors));
  }
  void damage(const fs::path& file) { std::ofstream(file, std::ios::app) << "x"; }

  fs::path run_;
  std::vector<fs::path> paths_;
};

TEST_F(CheckpointCommand, LsShowsStepsTokensAndTheBestOne) {
  const std::string report = (run_ / "report.json").string();
  const BinaryResult result = run_krait({"checkpoint", "ls", run_.string(), "--json", report});
  ASSERT_EQ(result.code, 0) << result.err;
  const json list = json::parse(read_file(report))["checkpoints"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[1]["path"], paths_[1].string());
  EXPECT_EQ(list[1]["step"], 10);
  EXPECT_EQ(list[1]["tokens"], 1000);
  EXPECT_TRUE(list[1]["best"]);
  EXPECT_FALSE(list[2]["best"]);
  EXPECT_NE(result.out.find("best, evaluation loss 1.2500"), std::string::npos) << result.out;
  // A checkpoints directory and one checkpoint are understood as well.
  EXPECT_EQ(run_krait({"checkpoint", "ls", (run_ / "checkpoints").string()}).out, result.out);
  EXPECT_EQ(run_krait({"checkpoint", "ls", paths_[0].string()}).code, 0);
}

TEST_F(CheckpointCommand, LsCallsNoImportedModelTheBest) {
  CheckpointState state{.config_yaml = "run: {}\n", .vocab_size = 256};  // of step 0, no best step
  const fs::path imported = run_ / "imported";
  save_checkpoint(imported / "checkpoints", state,
                  {.parameters = {{"w", Tensor::zeros(Shape{3}, DType::F32)}}});
  const std::string report = (run_ / "report.json").string();
  const BinaryResult result = run_krait({"checkpoint", "ls", imported.string(), "--json", report});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.find("best"), std::string::npos) << result.out;
  EXPECT_FALSE(json::parse(read_file(report))["checkpoints"][0]["best"]);
}

TEST_F(CheckpointCommand, LsShowsADamagedStateAndTheOthers) {
  std::ofstream(paths_[2] / "state.json") << "{";
  const BinaryResult result = run_krait({"checkpoint", "ls", run_.string()});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("damaged: "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("best, evaluation loss"), std::string::npos) << result.out;
}

TEST_F(CheckpointCommand, VerifyAcceptsIntactOnes) {
  const BinaryResult result = run_krait({"checkpoint", "verify", run_.string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.find("damaged"), std::string::npos);
}

TEST_F(CheckpointCommand, VerifyNamesWhatIsDamagedAndFails) {
  damage(paths_[1] / "model.h5");
  fs::remove(paths_[2] / "manifest.json");
  const std::string report = (run_ / "report.json").string();
  const BinaryResult result = run_krait({"checkpoint", "verify", run_.string(), "--json", report});
  EXPECT_EQ(result.code, 65);
  EXPECT_EQ(result.err,
            "krait: error: 2 of 3 checkpoints are damaged; krait train takes the newest intact "
            "one.\n");
  EXPECT_NE(result.out.find("model.h5"), std::string::npos) << result.out;
  const json list = json::parse(read_file(report))["checkpoints"];
  EXPECT_TRUE(list[0]["intact"]);
  EXPECT_FALSE(list[1]["intact"]);
  EXPECT_FALSE(list[2]["intact"]);
  EXPECT_EQ(run_krait({"checkpoint", "verify", paths_[0].string()}).code, 0);
  EXPECT_EQ(run_krait({"checkpoint", "verify", paths_[2].string()}).code, 65);
}

TEST_F(CheckpointCommand, NoCheckpointIsMissingInput) {
  EXPECT_EQ(run_krait({"checkpoint", "ls", (run_ / "absent").string()}).code, 66);
  fs::create_directories(run_ / "empty");
  EXPECT_EQ(run_krait({"checkpoint", "verify", (run_ / "empty").string()}).code, 66);
  EXPECT_EQ(run_krait({"checkpoint", "ls"}).code, 64);
}

}  // namespace
}  // namespace krait
