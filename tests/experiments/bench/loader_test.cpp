// krait bench loader.
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(BenchLoader, MeasuresTheLoaderBesideBareReads) {
  const TemporaryDirectory directory;
  const std::string set = (directory / "set.h5").string();
  const std::string json = (directory / "out.json").string();
  ASSERT_EQ(run_krait({"data", "random", "--vocab", "300", "--tokens", "100000", "--documents",
                       "100", "--out", set})
                .code,
            0);
  for (const std::string mode : {"", "--cold", "--prefetch", "--reset"}) {
    std::vector<std::string> arguments{"bench",     "loader", "--data",   set, "--length", "64",
                                       "--batches", "20",     "--rounds", "3", "--json",   json};
    if (!mode.empty()) arguments.push_back(mode);
    const BinaryResult result = run_krait(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.out.find("loader_tokens_per_second"), std::string::npos) << result.out;
    const auto report = nlohmann::json::parse(read_file(json));
    EXPECT_EQ(report["n_tokens"], 100'000);
    EXPECT_EQ(report["samples_per_round"], 640);
    EXPECT_EQ(report["pages"], mode == "--cold" ? "cold" : "in memory");
    for (const char* rate : {"loader_tokens_per_second", "bare_tokens_per_second"}) {
      EXPECT_GT(report[rate]["slowest"], 0.0);
      EXPECT_LE(report[rate]["slowest"], report[rate]["median"]);
      EXPECT_LE(report[rate]["median"], report[rate]["fastest"]);
    }
    EXPECT_NEAR(report["ratio"].get<double>(),
                report["loader_tokens_per_second"]["median"].get<double>() /
                    report["bare_tokens_per_second"]["median"].get<double>(),
                1e-9);
  }
}

TEST(BenchLoader, ASetThatIsNotThereIsMissingInput) {
  const BinaryResult result = run_krait({"bench", "loader", "--data", "absent.h5"});
  EXPECT_EQ(result.code, 66);
  EXPECT_NE(result.err.find("absent.h5"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace krait
