#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/token_set/writer.h"
#include "tests/experiments/run_binary.h"
#include "tests/experiments/small_run.h"
#include "tests/train/model/golden_models.h"
#include "train/evaluate/perplexity.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

constexpr const char* kText =
    "It was the best of times,\nit was the worst of times.\n\u00e9t\u00e9\n";

class EvalPerplexity : public testing::Test {
 protected:
  EvalPerplexity() { std::ofstream(run_.file("text")) << kText; }

  BinaryResult eval(std::vector<std::string> arguments) const {
    std::vector<std::string> all{"eval", "perplexity", "--model", run_.path(), "--device", "cpu"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_krait(all);
  }
  nlohmann::json report(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--json", run_.file("report.json")});
    const BinaryResult result = eval(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(read_file(run_.file("report.json")));
  }
  void expect_failure(int code, const std::string& part, std::vector<std::string> arguments) const {
    const BinaryResult result = eval(std::move(arguments));
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  void write_set(const std::string& name) const {
    const ByteTokenizer tokenizer;
    TokenSetWriter writer(run_.file(name), tokenizer);
    writer.append(tokenizer.encode(kText));
    writer.end_document();
    writer.prepare("{}");
    writer.commit();
  }
  SmallRun run_;
};

TEST_F(EvalPerplexity, ReportsTheFiguresOfEveryProtocol) {
  const LoadedModel loaded = load_model(run_.path());
  TextStatistics text;
  text.add(kText);
  for (std::size_t i = 0; i < kNames<PerplexityProtocol>.size(); ++i) {
    const std::string name(kNames<PerplexityProtocol>[i]);
    const auto r = report({"--text", run_.file("text"), "--protocol", name});
    PerplexityOptions o{.windowing = {static_cast<PerplexityProtocol>(i), 16, 8}};
    const PerplexityScore score =
        score_corpus(*loaded.model, corpus_of_documents({loaded.tokenizer->encode(kText)}, 256), o);
    EXPECT_EQ(r["loglikelihood"], score.loglikelihood) << name;
    EXPECT_EQ(r["windows"], score.n_windows);
    const double nats = -score.loglikelihood;
    EXPECT_EQ(r["n_tokens"], text.bytes);
    EXPECT_EQ(r["n_bytes"], text.bytes);
    EXPECT_EQ(r["n_words"], text.words);
    const auto bytes = static_cast<double>(text.bytes), words = static_cast<double>(text.words);
    EXPECT_DOUBLE_EQ(r["bits_per_byte"].get<double>(), nats / bytes / std::numbers::ln2);
    EXPECT_DOUBLE_EQ(r["byte_perplexity"].get<double>(), std::exp(nats / bytes));
    EXPECT_DOUBLE_EQ(r["token_perplexity"].get<double>(), std::exp(nats / bytes));
    EXPECT_DOUBLE_EQ(r["word_perplexity"].get<double>(), std::exp(nats / words));
    EXPECT_DOUBLE_EQ(r["unigram_bits_per_byte"].get<double>(), text.unigram_bits_per_byte());
    EXPECT_EQ(r["protocol"], name);
    EXPECT_EQ(r["max_length"], 16);
    EXPECT_EQ(r["stride"].is_null(), name != "sliding");
    EXPECT_EQ(r["step"], 7);
    EXPECT_EQ(r["dtype"], "f32");
    EXPECT_EQ(r["data"], run_.file("text"));
    EXPECT_EQ(r["data_sha256"], sha256_hex(kText));
    EXPECT_EQ(r["tokenizer"]["sha256"], ByteTokenizer().identity().sha256);
  }
}

TEST_F(EvalPerplexity, ASetOfOneDocumentScoresAsItsText) {
  write_set("set.h5");
  for (const char* protocol : {"blocks", "document", "sliding", "lm-eval"}) {
    auto text = report({"--text", run_.file("text"), "--protocol", protocol});
    auto set = report({"--data", run_.file("set.h5"), "--protocol", protocol, "--batch", "2"});
    EXPECT_EQ(set["data_sha256"], TokenSet(run_.file("set.h5")).info().content_sha256);
    for (auto* r : {&text, &set}) r->erase("data"), r->erase("data_sha256");
    EXPECT_EQ(text, set);
  }
}

TEST_F(EvalPerplexity, APublishedModelTakesATokenizerAndGivesTheGoldenFigures) {
  const auto models = golden_models_with("perplexity.json");
  ASSERT_FALSE(models.empty());
  const std::string model = models.front().string();
  const auto golden = nlohmann::json::parse(read_file(model + "/perplexity.json"));
  std::ofstream(run_.file("golden.txt"), std::ios::binary) << golden["text"].get<std::string>();
  const auto& expected = golden["rolling"];
  const BinaryResult result = run_krait(
      {"eval", "perplexity", "--model", model, "--tokenizer",
       golden_file("tokenizer.json").string(), "--text", run_.file("golden.txt"), "--protocol",
       "lm-eval", "--max-length", std::to_string(expected["max_length"].get<int>()), "--device",
       "cpu", "--dtype", "f32", "--json", run_.file("golden.json")});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto r = nlohmann::json::parse(read_file(run_.file("golden.json")));
  for (const char* key : {"n_tokens", "n_words", "n_bytes"}) EXPECT_EQ(r[key], golden[key]) << key;
  for (const char* key : {"loglikelihood", "token_perplexity", "word_perplexity", "byte_perplexity",
                          "bits_per_byte"}) {
    const double want = expected[key].get<double>();
    EXPECT_NEAR(r[key].get<double>(), want, 1e-4 * std::abs(want)) << key;
  }
  EXPECT_EQ(r["prefix_token"], golden["eos_id"]);
  EXPECT_EQ(r["tokenizer"]["sha256"], sha256_hex(read_file(golden_file("tokenizer.json"))));
}

TEST_F(EvalPerplexity, WindowsAreThoseAskedFor) {
  const auto r = report({"--text", run_.file("text"), "--protocol", "sliding", "--max-length", "20",
                         "--stride", "6"});
  EXPECT_EQ(r["max_length"], 20);
  EXPECT_EQ(r["stride"], 6);
  const BinaryResult shown = eval({"--text", run_.file("text")});
  for (const char* part : {"bits per byte", "baseline", "word perplexity", "step 7"}) {
    EXPECT_NE(shown.out.find(part), std::string::npos) << shown.out;
  }
}

TEST_F(EvalPerplexity, LossesByPositionAddUpAndAreDrawn) {
  const std::string plot = run_.file("plot.svg");
  for (const char* protocol : {"blocks", "document", "sliding", "lm-eval"}) {
    const auto r = report({"--text", run_.file("text"), "--protocol", protocol, "--plot", plot});
    double loss = 0;
    std::uint64_t tokens = 0;
    for (const auto& row : r["by_position"]) {
      const auto n = row["n_tokens"].get<std::uint64_t>();
      tokens += n;
      loss += static_cast<double>(n) * row["loss"].get<double>();
      EXPECT_DOUBLE_EQ(row["perplexity"].get<double>(), std::exp(row["loss"].get<double>()));
      EXPECT_LT(row["context_from"], row["context_to"]);
    }
    EXPECT_EQ(tokens, r["n_tokens"]);
    EXPECT_NEAR(loss, -r["loglikelihood"].get<double>(), 1e-9 * loss);
    const auto longest = r["by_position"].back()["context_from"].get<std::uint64_t>();
    // 58 tokens; windows of 16 inputs; of 16 tokens, one of which is only predicted
    const bool whole = protocol == std::string("document");
    EXPECT_EQ(longest, whole ? 32u : protocol == std::string("sliding") ? 8u : 16u);
    const std::string svg = read_file(plot);
    EXPECT_NE(svg.find(protocol), std::string::npos);
    EXPECT_NE(svg.find("</svg>"), std::string::npos);
  }
  const auto without = report({"--text", run_.file("text")});
  EXPECT_FALSE(without.contains("by_position"));
  const BinaryResult shown = eval({"--text", run_.file("text"), "--by-position"});
  EXPECT_NE(shown.out.find("8 to 15"), std::string::npos) << shown.out;
}

TEST_F(EvalPerplexity, ArticlesAreDetokenizedAndCountedAsTheyWere) {
  const std::string original = " \n = A = \n x @-@ y \n = B = \n z , z \n";
  std::ofstream(run_.file("wiki.raw")) << original;
  std::ofstream(run_.file("pages.jsonl")) << R"({"page": " = A =\nx-y "})"
                                          << "\n"
                                          << R"({"page": " = B =\nz, z\n"})"
                                          << "\n";
  const auto wiki = report({"--text", run_.file("wiki.raw"), "--protocol", "lm-eval", "--articles",
                            "--detokenize", "wikitext"});
  const auto pages =
      report({"--text", run_.file("pages.jsonl"), "--protocol", "lm-eval", "--text-field", "page"});
  EXPECT_EQ(wiki["loglikelihood"], pages["loglikelihood"]);
  EXPECT_EQ(wiki["n_documents"], 2);
  EXPECT_EQ(wiki["n_words"], 16);
  EXPECT_EQ(wiki["n_bytes"], 33);
  EXPECT_EQ(wiki["detokenizer"], "wikitext");
  EXPECT_EQ(pages["detokenizer"], "none");
  EXPECT_LT(pages["n_bytes"], 33);
}

TEST_F(EvalPerplexity, DropLastLeavesOutWhatFillsNoWindow) {
  const auto r = report({"--text", run_.file("text"), "--drop-last", "--max-length", "20"});
  const std::string text = kText;
  ASSERT_EQ(text.size(), 59u);  // tokens: 1 of context, 2 windows, 18 left out
  EXPECT_EQ(r["windows"], 2);
  EXPECT_EQ(r["n_tokens"], 40);
  EXPECT_EQ(r["n_bytes"], 40);
  EXPECT_EQ(r["n_words"], count_words(text.substr(1, 40)));
  EXPECT_TRUE(r["prefix_token"].is_null());
  EXPECT_TRUE(r["drop_last"]);
}

TEST_F(EvalPerplexity, AWordPerplexityBeyondAllNumbersIsNullInJson) {
  std::ofstream(run_.file("word")) << std::string(2000, 'a');  // exp(2000 * ln 264)
  const auto r = report({"--text", run_.file("word")});
  EXPECT_TRUE(r["word_perplexity"].is_null());
  EXPECT_EQ(r["n_words"], 1);
  EXPECT_TRUE(r["bits_per_byte"].is_number());
}

TEST_F(EvalPerplexity, WhatIsWrongIsOneLineWithItsExitCode) {
  const std::string text = run_.file("text");
  expect_failure(64, "--text", {});
  expect_failure(64, "--text", {"--text", text, "--data", "x.h5"});
  expect_failure(64, "--stride", {"--text", text, "--stride", "3"});
  expect_failure(64, "--stride", {"--text", text, "--protocol", "sliding", "--stride", "16"});
  expect_failure(64, "--max-length", {"--text", text, "--max-length", "0"});
  expect_failure(64, "--drop-last", {"--text", text, "--drop-last", "--protocol", "lm-eval"});
  expect_failure(64, "--detokenize", {"--text", text, "--drop-last", "--detokenize", "wikitext"});
  expect_failure(64, "--articles", {"--data", "x.h5", "--articles"});
  expect_failure(64, "--detokenize", {"--text", text, "--detokenize", "wiki"});
  expect_failure(64, "--protocol", {"--text", text, "--protocol", "block"});
  expect_failure(66, "nowhere", {"--text", run_.file("nowhere")});
  expect_failure(65, "text", {"--data", text});
  write_set("damaged.h5");
  std::string bytes = read_file(run_.file("damaged.h5"));
  bytes[bytes.find(std::string("b\0e\0s\0t", 7))] = 'r';  // tokens of 16 bits
  write_file_atomic(run_.file("damaged.h5"), bytes);
  expect_failure(65, "hash", {"--data", run_.file("damaged.h5")});
  std::ofstream(run_.file("empty")).flush();
  expect_failure(65, "empty", {"--text", run_.file("empty")});
  const BinaryResult no_model =
      run_krait({"eval", "perplexity", "--model", run_.file("nowhere"), "--text", text});
  EXPECT_EQ(no_model.code, 66) << no_model.err;
}

}  // namespace
}  // namespace krait
