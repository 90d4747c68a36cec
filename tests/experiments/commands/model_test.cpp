#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

class ModelCommand : public testing::Test {
 protected:
  static std::string hash(const std::string& path) {
    const LoadedModel loaded = load_model(path);
    std::vector<NamedTensor> tensors;
    for (const Parameter& p : loaded.model->parameters()) {
      tensors.push_back({p.name, p.variable.value()});
    }
    return tensor_hash(tensors);
  }
  static void expect_done(const std::vector<std::string>& arguments) {
    const BinaryResult result = run_krait(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
  }
  static void expect_code(int code, const std::vector<std::string>& arguments) {
    const BinaryResult result = run_krait(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
  SmallRun run_;
};

TEST_F(ModelCommand, ExportsARunAndImportsItAgain) {
  expect_done({"model", "export", "--model", run_.path(), "--out", run_.file("hf"),
               "--max-shard-size", "4KB"});
  EXPECT_TRUE(std::filesystem::exists(run_.file("hf/model.safetensors.index.json")));
  EXPECT_EQ(hash(run_.file("hf")), hash(run_.path()));
  expect_done({"model", "import", run_.file("hf"), "--out", run_.file("back")});
  EXPECT_EQ(hash(run_.file("back")), hash(run_.path()));
  const std::vector<std::string> generate{"generate", "--greedy", "--max-tokens", "20",
                                          "--prompt", "a",        "--device",     "cpu"};
  std::vector<std::string> texts;
  for (const std::string& model : {run_.path(), run_.file("hf"), run_.file("back")}) {
    std::vector<std::string> arguments = generate;
    arguments.insert(arguments.end(), {"--model", model});
    texts.push_back(run_krait(arguments).out);
  }
  EXPECT_FALSE(texts[0].empty());
  EXPECT_EQ(texts, std::vector<std::string>(3, texts[0]));
}

TEST_F(ModelCommand, InfoPrintsAndWritesTheSameThings) {
  const BinaryResult result =
      run_krait({"model", "info", run_.path(), "--json", run_.file("info.json")});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto info = nlohmann::json::parse(read_file(run_.file("info.json")));
  EXPECT_EQ(info["form"], "checkpoint");
  EXPECT_EQ(info["step"], 7);
  EXPECT_EQ(info["model"]["d_model"], 12);
  EXPECT_EQ(info["tokenizer"], "byte");
  std::int64_t elements = 0;
  for (const auto& array : info["arrays"]) {
    std::int64_t size = 1;
    for (const std::int64_t n : array["shape"]) size *= n;
    elements += size;
    EXPECT_NE(result.out.find(array["name"].get<std::string>() + "\n"), std::string::npos);
  }
  EXPECT_EQ(info["parameters"], elements);
  EXPECT_NE(result.out.find(std::to_string(elements) + " parameters"), std::string::npos);
}

TEST_F(ModelCommand, WhatIsWrongIsOneLineWithItsExitCode) {
  const std::string out = run_.file("out");
  expect_code(66, {"model", "import", run_.file("nowhere"), "--out", out});
  expect_code(66, {"model", "import", run_.path(), "--out", out});  // a run is no published model
  expect_code(66, {"model", "export", "--model", run_.file("nowhere"), "--out", out});
  expect_code(66, {"model", "info", run_.file("nowhere")});
  expect_code(64, {"model", "export", "--model", run_.path()});
  expect_code(64, {"model", "export", "--model", run_.path(), "--out", run_.path()});
  for (const char* size : {"", "0", "5XB", "-1", "GB", "99999999999GB"}) {
    expect_code(
        64, {"model", "export", "--model", run_.path(), "--out", out, "--max-shard-size", size});
  }
  expect_code(64, {"model", "export", "--model", run_.path(), "--out", out, "--dtype", "f8"});
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace krait
