// `krait train` against SIGKILL and SIGTERM at random moments.
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.h"
#include "data/hdf5/hdf5.h"
#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"
#include "tests/support/temporary_directory.h"
#include "train/run/checkpoint.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kSteps = 120;

void write_set(const fs::path& path, int documents) {
  const ByteTokenizer tokenizer;
  TokenSetWriter writer(path, tokenizer);
  const RandomStream random{.seed = 3};
  std::uint64_t draw = 0;
  for (int d = 0; d < documents; ++d) {
    std::string text;
    for (int i = 0; i < 150; ++i) text += static_cast<char>('a' + random.bits64(draw++) % 5);
    writer.append(tokenizer.encode(text));
    writer.end_document();
  }
  writer.prepare("{}");
  writer.commit();
}

class KillResume : public testing::Test {
 protected:
  KillResume() {
    write_set(dir_.path() / "train.h5", 60);
    std::ofstream(dir_.path() / "run.yaml")
        << "run: {directory: unused, seed: 4, device: cpu}\n"
           "model: {d_model: 24, n_layer: 2, d_state: 8, dropout: 0.1}\n"
           "data: {train: "
        << (dir_.path() / "train.h5").string() << ", valid: " << (dir_.path() / "train.h5").string()
        << ", sequence_length: 64}\n"
           "train: {steps: "
        << kSteps
        << ", batch_size: 4, accumulation: 2, ema_decay: 0.9}\n"
           "optimizer: {lr: 1e-3}\n"
           "checkpoint: {every: 7}\n"
           "evaluation: {every: 20, max_tokens: 500}\n";
  }

  /// Starts `krait train` on the run directory `run`, silently.
  pid_t start(const std::string& run) const {
    const std::string config = (dir_.path() / "run.yaml").string();
    const std::string directory = "run.directory=" + (dir_.path() / run).string();
    const pid_t pid = fork();
    if (pid == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, 1), dup2(null, 2);
      execl(KRAIT_BINARY, "krait", "train", config.c_str(), directory.c_str(), nullptr);
      _exit(127);
    }
    return pid;
  }
  static int wait_for(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

  std::vector<json> metrics(const std::string& run) const {
    std::ifstream in(dir_.path() / run / "metrics.jsonl");
    std::vector<json> lines;
    for (std::string line; std::getline(in, line);) {
      json record = json::parse(line);
      record.erase("tokens_per_second");
      lines.push_back(record);
    }
    return lines;
  }
  /// Every number of the newest checkpoint.
  std::vector<std::vector<float>> weights(const std::string& run) const {
    const fs::path checkpoint = resolve_checkpoint(dir_.path() / run);
    std::vector<std::vector<float>> all;
    for (const auto& [name, group] : std::vector<std::pair<std::string, std::string>>{
             {"model.h5", ""}, {"optimizer.h5", "m/"}, {"optimizer.h5", "v/"}, {"ema.h5", ""}}) {
      const Hdf5File file = Hdf5File::open(checkpoint / name);
      for (const std::string& tensor : file.datasets(group)) {
        all.push_back(file.read<float>(group + tensor).values);
      }
    }
    return all;
  }

  TemporaryDirectory dir_;
};

TEST_F(KillResume, ARunKilledAtRandomMomentsEndsAsOneThatWasNot) {
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(wait_for(start("straight")), 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  const RandomStream random{.seed = 12};
  // Sooner and sooner: on a machine whose load changes a run can outrun the kills.
  int kills = 0;
  for (double longest = 0.25; kills < 3; longest /= 2) {
    fs::remove_all(dir_.path() / "killed");
    kills = 0;
    // Up to a quarter of the time of a whole run: in the start, in a step, in a save.
    for (std::uint64_t i = 0; kills < 12; ++i) {
      const pid_t pid = start("killed");
      std::this_thread::sleep_for(random.uniform(i) * longest * whole);
      kill(pid, SIGKILL);
      const int code = wait_for(pid);
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << "exit code " << code;
      if (code == 0) break;
      ++kills;
    }
    ASSERT_EQ(wait_for(start("killed")), 0);
  }
  EXPECT_EQ(metrics("straight").size(), static_cast<std::size_t>(kSteps));
  EXPECT_EQ(metrics("killed"), metrics("straight"));
  EXPECT_EQ(weights("killed"), weights("straight"));
  for (const auto& e : fs::directory_iterator(dir_.path() / "killed/checkpoints")) {
    EXPECT_TRUE(verify_checkpoint(e.path()).empty()) << e.path();
  }
}

TEST_F(KillResume, ATerminatedRunSavesItsStepAndExitsWith75) {
  ASSERT_EQ(wait_for(start("straight")), 0);
  const pid_t pid = start("stopped");
  while (metrics("stopped").size() < 10) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  kill(pid, SIGTERM);
  ASSERT_EQ(wait_for(pid), exit_code(ErrorKind::Stopped));
  const auto newest = list_checkpoints(dir_.path() / "stopped/checkpoints").back();
  EXPECT_EQ(static_cast<std::size_t>(newest.step), metrics("stopped").size());
  ASSERT_EQ(wait_for(start("stopped")), 0);
  EXPECT_EQ(metrics("stopped"), metrics("straight"));
  EXPECT_EQ(weights("stopped"), weights("straight"));
}

}  // namespace
}  // namespace krait
