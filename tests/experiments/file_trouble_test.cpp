// What the file system refuses is the user's trouble: one line with the path, what the system said
// and what to do. Tests may run with every permission, so paths are used that nobody can follow.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

using Arguments = std::vector<std::string>;

class FileTrouble : public testing::Test {
 protected:
  FileTrouble() {
    make_loop("loop");
    std::ofstream(run_.file("text.txt")) << "Some words.\n";
  }
  /// A link that leads to itself.
  void make_loop(const std::string& name) const {
    fs::create_symlink(fs::path(name).filename(), run_.file(name));
  }
  /// Expects one line that names `path`.
  static void expect_trouble(const Arguments& arguments, const std::string& path) {
    const BinaryResult result = run_krait(arguments);
    EXPECT_EQ(result.code, 74) << result.err;
    EXPECT_EQ(result.err.rfind("krait: error: cannot ", 0), 0u) << result.err;
    EXPECT_NE(result.err.find("'" + path), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  SmallRun run_;
};

TEST_F(FileTrouble, InThePathThatACommandIsGiven) {
  const std::string out = run_.file("out"), text = run_.file("text.txt");
  // Longer than any file system allows, and a circle of links.
  for (const std::string& path : {run_.file(std::string(300, 'x')), run_.file("loop")}) {
    SCOPED_TRACE(path.substr(0, 80));
    for (const Arguments& arguments : std::vector<Arguments>{
             {"model", "info", path},
             {"model", "import", path, "--out", out},
             {"model", "export", "--model", path, "--out", out},
             {"model", "export", "--model", run_.path(), "--out", path},
             {"generate", "--model", path, "--prompt", "a"},
             {"generate", "--model", run_.path(), "--prompt", "a", "--tokenizer", path},
             {"generate", "--model", run_.path(), "--prompt-file", path},
             {"eval", "perplexity", "--model", path, "--text", text},
             {"eval", "perplexity", "--model", run_.path(), "--text", path},
             {"eval", "perplexity", "--model", run_.path(), "--data", path},
             {"eval", "tasks", "--model", run_.path(), path},
             {"checkpoint", "ls", path},
             {"checkpoint", "verify", path},
             {"config", "show", path},
             {"train", path},
             {"data", "info", path},
             {"data", "verify", path},
             {"data", "encode", text, "--tokenizer", path},
             {"data", "encode", path, "--tokenizer", "byte"},
             {"data", "build", path, "--out", out},
             {"data", "build", text, "--out", path},
             {"data", "build", text, "--out", path, "--shard-tokens", "5"},
             {"data", "random", "--vocab", "9", "--tokens", "20", "--out", path + "/a.h5"},
             {"data", "train-tokenizer", path, "--vocab-size", "300", "--out", out},
             {"bench", "loader", "--data", path}}) {
      expect_trouble(arguments, path);
    }
  }
}

TEST_F(FileTrouble, InAFileOfTheFolderThatACommandIsGiven) {
  fs::create_directories(run_.file("published"));
  make_loop("published/config.json");
  expect_trouble({"model", "info", run_.file("published")}, run_.file("published/config.json"));

  fs::create_directories(run_.file("weights"));
  make_loop("weights/model.safetensors");
  expect_trouble({"model", "info", run_.file("weights")}, run_.file("weights/model.safetensors"));

  fs::create_directories(run_.file("saved"));
  make_loop("saved/manifest.json");
  for (const char* action : {"ls", "verify"}) {
    expect_trouble({"checkpoint", action, run_.file("saved")}, run_.file("saved/manifest.json"));
  }
  expect_trouble({"generate", "--model", run_.file("saved"), "--prompt", "a"},
                 run_.file("saved/manifest.json"));

  fs::create_directories(run_.file("another"));
  make_loop("another/checkpoints");
  expect_trouble({"checkpoint", "ls", run_.file("another")}, run_.file("another/checkpoints"));
  expect_trouble({"model", "info", run_.file("another")}, run_.file("another/checkpoints"));

  fs::create_directories(run_.file("built/unfinished-build"));
  make_loop("built/unfinished-build/state.json");
  std::ofstream(run_.file("built/unfinished-build/lock"));
  expect_trouble(
      {"data", "build", run_.file("text.txt"), "--out", run_.file("built"), "--shard-tokens", "5"},
      run_.file("built/unfinished-build/state.json"));
  fs::create_directories(run_.file("shards"));
  make_loop("shards/train");
  expect_trouble(
      {"data", "build", run_.file("text.txt"), "--out", run_.file("shards"), "--shard-tokens", "5"},
      run_.file("shards/train"));
}

}  // namespace
}  // namespace krait
