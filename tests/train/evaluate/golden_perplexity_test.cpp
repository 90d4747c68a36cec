// Perplexities of published models against those that independent code found with transformers.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/support/device.h"
#include "tests/train/model/golden_models.h"
#include "train/evaluate/perplexity.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What is asked for in f32, of log-likelihoods and of perplexities.
constexpr double kTolerance = 1e-4;

PerplexityWindowing windowing(const std::string& protocol, const json& expected) {
  const auto size = [&](const char* key) { return expected.at(key).get<std::uint64_t>(); };
  if (protocol == "rolling") {
    return {.protocol = PerplexityProtocol::LmEval, .length = size("max_length")};
  }
  if (protocol == "sliding") {
    return {.protocol = PerplexityProtocol::Sliding,
            .length = size("window"),
            .stride = size("stride")};
  }
  return {.protocol = PerplexityProtocol::Document, .length = 100};
}

void expect_near(double got, const json& expected, const char* key) {
  const double want = expected.at(key).get<double>();
  EXPECT_LE(std::abs(got - want), kTolerance * std::abs(want))
      << key << ": " << got << ", " << want;
}

/// One model in one precision under all protocols.
void check_model(const fs::path& directory, Precision precision) {
  const json golden = json::parse(read_file(directory / "perplexity.json"));
  const LoadedModel loaded = load_model(directory, {.precision = precision,
                                                    .device = testing::test_device(),
                                                    .tokenizer = golden_file("tokenizer.json")});
  const ContextScope scope(precision_context(testing::test_device(), precision));
  const auto text = golden.at("text").get<std::string>();
  TextStatistics statistics;
  statistics.add(text);
  EXPECT_EQ(statistics.words, golden.at("n_words").get<std::uint64_t>());
  EXPECT_EQ(statistics.bytes, golden.at("n_bytes").get<std::uint64_t>());
  const auto prefix = golden.at("eos_id").get<std::int32_t>();
  const Corpus corpus = corpus_of_documents({loaded.tokenizer->encode(text)}, prefix);
  for (const std::string protocol : {"rolling", "sliding", "whole"}) {
    SCOPED_TRACE(directory.filename().string() + " " + protocol);
    const json& expected = golden.at(protocol);
    const PerplexityScore score =
        score_corpus(*loaded.model, corpus,
                     {.windowing = windowing(protocol, expected), .prefix_token = prefix});
    EXPECT_EQ(score.n_tokens, golden.at("n_tokens").get<std::uint64_t>());
    expect_near(score.loglikelihood, expected, "loglikelihood");
    const PerplexityFigures figures = perplexity_figures(score, statistics);
    expect_near(figures.token_perplexity, expected, "token_perplexity");
    expect_near(figures.word_perplexity, expected, "word_perplexity");
    expect_near(figures.byte_perplexity, expected, "byte_perplexity");
    expect_near(figures.bits_per_byte, expected, "bits_per_byte");
    std::printf("%s in %s, %s: relative difference of the log-likelihoods %.1e\n",
                directory.filename().c_str(), name_of(precision).data(), protocol.c_str(),
                std::abs(score.loglikelihood / expected.at("loglikelihood").get<double>() - 1));
  }
}

DEVICE_TEST(GoldenPerplexity, EveryProtocolAgrees) {
  const std::vector<fs::path> models = golden_models_with("perplexity.json");
  ASSERT_FALSE(models.empty());
  for (const fs::path& directory : models) {
    check_model(directory, Precision::F32);
    if (!testing::on_gpu()) check_model(directory, Precision::F64);
  }
}

}  // namespace
}  // namespace krait
