// krait data train-tokenizer, encode and decode, and a model of such tokens from end to end.
#include "data/tokenizer/tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "data/tokenizer/make_tokenizer.h"
#include "tests/experiments/run_binary.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TokenizerCommands : public ::testing::Test {
 protected:
  TokenizerCommands() {
    fs::create_directories(at("text"));
    for (int i = 0; i < 12; ++i) {
      std::ofstream file(at("text/" + std::to_string(i) + ".txt"));
      for (int k = 0; k < 40; ++k) {
        file << "The " << k * i % 11 << " small snakes of this caf\u00e9 are not asleep.\n";
      }
    }
  }
  std::string at(const std::string& name) const { return (directory_ / name).string(); }
  json report(const std::string& name) const { return json::parse(read_file(at(name))); }
  BinaryResult train_tokenizer(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"data",  "train-tokenizer", at("text"),
                                       "--out", at("t.json"),      "--vocab-size",
                                       "320",   "--json",          at("report.json")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_krait(arguments);
  }
  BinaryResult data(const std::string& command, const std::string& file) const {
    return run_krait({"data", command, at(file), "--tokenizer", at("t.json")});
  }
  TemporaryDirectory directory_;
};

TEST_F(TokenizerCommands, ATrainedTokenizerEncodesAndDecodes) {
  const BinaryResult trained = train_tokenizer({"--style", "llama3"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto size = report("report.json")["vocab_size"].get<std::int64_t>();
  EXPECT_GT(size, 280);  // this text has fewer than 320 frequent pairs
  EXPECT_EQ(make_tokenizer(at("t.json"))->vocab_size(), size);
  EXPECT_EQ(report("report.json")["documents"], 12);
  EXPECT_EQ(report("report.json")["sha256"], file_sha256(at("t.json")));

  const std::string text = "The snakes\n\nare 1234 caf\u00e9s<|end_of_text|>";
  write_file_atomic(at("a.txt"), text);
  const BinaryResult ids = data("encode", "a.txt");
  ASSERT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(json::parse(ids.out).get<std::vector<std::int32_t>>(),
            make_tokenizer(at("t.json"))->encode(text));
  write_file_atomic(at("ids.json"), ids.out);
  EXPECT_EQ(data("decode", "ids.json").out, text);

  const BinaryResult lines =
      run_krait({"data", "encode", at("a.txt"), "--lines", "--tokenizer", at("t.json")});
  write_file_atomic(at("lines.json"), lines.out);
  EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 3);
  EXPECT_EQ(
      run_krait({"data", "decode", at("lines.json"), "--lines", "--tokenizer", at("t.json")}).out,
      text + "\n");
}

TEST_F(TokenizerCommands, WrongInputIsOneClearError) {
  ASSERT_EQ(train_tokenizer().code, 0);
  write_file_atomic(at("ids.json"), "[1, 2]\n[3, x]\n");
  const BinaryResult word = data("decode", "ids.json");
  EXPECT_EQ(word.code, 65);
  EXPECT_NE(word.err.find("line 2: 'x' is not an id"), std::string::npos) << word.err;
  const std::string size = report("report.json")["vocab_size"].dump();
  write_file_atomic(at("ids.json"), size + "\n");
  EXPECT_NE(data("decode", "ids.json").err.find("outside the vocabulary of " + size),
            std::string::npos);
  EXPECT_EQ(data("encode", "none.txt").code, 66);
  EXPECT_EQ(run_krait({"data", "encode", at("t.json"), "--tokenizer", "word"}).code, 64);
  EXPECT_EQ(train_tokenizer({"--special", "a", "a"}).code, 64);
  EXPECT_EQ(run_krait({"data", "train-tokenizer", at("text"), "--out", at("u.json"), "--vocab-size",
                       "200"})
                .code,
            64);
  EXPECT_FALSE(fs::exists(at("u.json")));
}

TEST_F(TokenizerCommands, AModelOfItsTokensIsTrainedAndUsedWithoutTheFile) {
  ASSERT_EQ(train_tokenizer().code, 0);
  const BinaryResult built = run_krait({"data", "build", at("text"), "--tokenizer", at("t.json"),
                                        "--out", at("set"), "--held-out", "0.2"});
  ASSERT_EQ(built.code, 0) << built.err;
  fs::remove(at("t.json"));  // the set keeps what is needed
  std::ofstream(at("c.yaml")) << "run: {directory: " << at("run") << ", device: cpu}\n"
                              << "model: {d_model: 16, n_layer: 1, d_state: 4}\n"
                              << "data: {train: " << at("set/train.h5")
                              << ", valid: " << at("set/valid.h5") << ", sequence_length: 32}\n"
                              << "train: {steps: 4, batch_size: 4}\n"
                              << "optimizer: {lr: 0.01}\n"
                              << "checkpoint: {every: 2}\n";
  const BinaryResult trained = run_krait({"train", at("c.yaml")});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(fs::exists(at("run/checkpoints/step_00000004/tokenizer.json")));
  EXPECT_EQ(run_krait({"checkpoint", "verify", at("run")}).code, 0);

  const BinaryResult text = run_krait({"generate", "--model", at("run"), "--prompt",
                                       "The caf\u00e9", "--max-tokens", "4", "--device", "cpu"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(text.out.starts_with("The caf\u00e9")) << text.out;
  const BinaryResult scored =
      run_krait({"eval", "perplexity", "--model", at("run"), "--text", at("text/1.txt"), "--device",
                 "cpu", "--json", at("p.json")});
  ASSERT_EQ(scored.code, 0) << scored.err;
  EXPECT_EQ(report("p.json")["tokenizer"]["name"], "bpe");
}

}  // namespace
}  // namespace krait
