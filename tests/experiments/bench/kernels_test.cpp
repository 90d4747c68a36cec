#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/experiments/run_binary.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using nlohmann::json;

class BenchKernels : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return (directory_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    write_quickly(directory_ / name, text);
  }
  json report() const {
    std::ifstream file(at("report.json"));
    return json::parse(file);
  }
  /// `krait bench kernels` with `arguments`, one call or a few of each kernel.
  BinaryResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"bench", "kernels", "--seconds", "0"});
    arguments.insert(arguments.end(), {"--json", at("report.json")});
    return run_krait(arguments);
  }
  void expect_error(const std::vector<std::string>& arguments, int code,
                    const std::string& text) const {
    const BinaryResult result = run(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  }

 private:
  TemporaryDirectory directory_;
};
class GpuBenchKernels : public BenchKernels {};

void expect_lines_fit_a_terminal(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
}

const std::string kHeader = "kernel,shape,dtype,source,gpu,ms\n";

TEST_F(BenchKernels, ReportsTheSpreadOfSingleCallsAndTheShareOfTheCopy) {
  const BinaryResult result = run({"--device", "cpu", "--filter", "rms_norm"});
  ASSERT_EQ(result.code, 0) << result.err;
  expect_lines_fit_a_terminal(result.out);
  const json r = report();
  EXPECT_EQ(r["device"]["name"], "CPU");
  EXPECT_EQ(r["dtype"], "f32");
  ASSERT_EQ(r["kernels"].size(), 2u);
  for (const json& row : r["kernels"]) {
    EXPECT_EQ(row["kernel"].get<std::string>().rfind("rms_norm", 0), 0u);
    EXPECT_NE(result.out.find(row["kernel"].get<std::string>()), std::string::npos);
    EXPECT_GE(row["calls"], 3);
    const double median = row["median_ms"];
    EXPECT_GT(row["min_ms"], 0);
    EXPECT_LE(row["min_ms"], row["p05_ms"]);
    EXPECT_LE(row["p05_ms"], median);
    EXPECT_LE(median, row["p95_ms"]);
    EXPECT_LE(row["p95_ms"], row["max_ms"]);
    const double rate = row["gb_per_s"];
    EXPECT_NEAR(row["fraction_of_copy"], rate / r["copy_gb_per_s"].get<double>(), 1e-9);
  }
  // x, residual, y and their sum of 16384 x 768, and a statistic for each row
  const json& forward = r["kernels"][0];
  EXPECT_NEAR(forward["gb_per_s"].get<double>() * forward["median_ms"].get<double>() * 1e6,
              4.0 * 16384 * (4 * 768 + 1), 1e3);
}

TEST_F(BenchKernels, ComparesWithTheReferencesThatFitARow) {
  write("a.csv", "# a remark\n" + kHeader +
                     "rms_norm_forward,rows16384 d768,f32,here,CPU,1.5\r\n"
                     "\n"
                     "rms_norm_forward,rows16384 d768,bf16,other dtype,CPU,1\n"
                     "rms_norm_forward,rows1 d768,f32,other shape,CPU,1\n");
  write("b.csv", kHeader + "rms_norm_forward,rows16384 d768,f32,there,Some GPU,2e3");
  const BinaryResult result = run({"--device", "cpu", "--filter", "rms_norm_forward", "--reference",
                                   at("a.csv"), "--reference", at("b.csv")});
  ASSERT_EQ(result.code, 0) << result.err;
  expect_lines_fit_a_terminal(result.out);
  const json r = report();
  ASSERT_EQ(r["kernels"].size(), 1u);
  const json& row = r["kernels"][0];
  ASSERT_EQ(row["references"].size(), 2u) << row;
  const double median = row["median_ms"];
  EXPECT_EQ(row["references"][0]["source"], "here");
  EXPECT_EQ(row["references"][0]["same_gpu"], true);
  EXPECT_NEAR(row["references"][0]["speedup"], 1.5 / median, 1e-9);
  EXPECT_EQ(row["references"][1]["same_gpu"], false);
  EXPECT_NEAR(row["references"][1]["speedup"], 2000 / median, 1e-9);
  EXPECT_NE(result.out.find("* on another device: Some GPU, while this is CPU."), std::string::npos)
      << result.out;
  EXPECT_EQ(result.out.find("other shape"), std::string::npos);
}

TEST_F(BenchKernels, TablesThatAreNoneAreErrorsWithTheirLine) {
  const std::vector<std::string> some{"--device", "cpu", "--filter", "rms", "--reference"};
  const auto with = [&](const std::string& path) {
    std::vector<std::string> arguments = some;
    arguments.push_back(path);
    return arguments;
  };
  write("header.csv", "kernel,ms\n");
  expect_error(with(at("header.csv")), 65, "header.csv:1: the header must be kernel,shape");
  write("empty.csv", "# nothing\n");
  expect_error(with(at("empty.csv")), 65, "empty.csv: there is no header");
  write("fields.csv", kHeader + "\na,b,f32,c,1\n");
  expect_error(with(at("fields.csv")), 65, "fields.csv:3: 6 fields are needed");
  for (const std::string ms : {"fast", "0", "-1", "nan", "inf", "1ms", ""}) {
    write("ms.csv", kHeader + "a,b,f32,c,d," + ms + "\n");
    expect_error(with(at("ms.csv")), 65, "ms.csv:2: ms must be a number > 0, got '" + ms + "'");
  }
  expect_error(with(at("none.csv")), 66, "none.csv");
}

TEST_F(BenchKernels, TheTablesThatComeWithKraitAreRead) {
  const std::string folder = KRAIT_SOURCE_DIR "/experiments/reference/";
  const BinaryResult result =
      run({"--device", "cpu", "--filter", "rms_norm_forward", "--reference",
           folder + "mamba_ssm_h200.csv", "--reference", folder + "targets_h200.csv"});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(BenchKernels, TheCpuHasNoBf16) {
  expect_error({"--device", "cpu", "--dtype", "bf16"}, 64, "--dtype bf16 needs CUDA");
}

TEST_F(GpuBenchKernels, EveryShapeRunsInEachDtype) {
  KRAIT_SKIP_WITHOUT_GPU();
  for (const std::string dtype : {"f32", "bf16"}) {
    const BinaryResult result = run({"--dtype", dtype, "--reference",
                                     KRAIT_SOURCE_DIR "/experiments/reference/mamba_ssm_h200.csv"});
    ASSERT_EQ(result.code, 0) << result.err;
    expect_lines_fit_a_terminal(result.out);
    const json r = report();
    EXPECT_NE(r["device"]["name"], "CPU") << "auto takes the GPU";
    EXPECT_EQ(r["dtype"], dtype);
    std::set<std::string> kernels, compared;
    for (const json& row : r["kernels"]) {
      kernels.insert(row["kernel"]);
      if (row.contains("references")) compared.insert(row["kernel"]);
      EXPECT_EQ(row["dtype"], dtype);
      EXPECT_GT(row["median_ms"], 0) << row;
      EXPECT_LT(row["fraction_of_copy"], 3) << "faster than memory: " << row;
      if (row["shape"] == "b8 d1536 n16 l2047") {
        EXPECT_GT(row["cost"]["ratio"], 0) << row;
      }
    }
    for (const char* name :
         {"selective_scan_forward", "selective_scan_backward", "causal_conv1d_backward", "gemm",
          "gemm in_proj dX", "gemm x_proj dW", "rms_norm_backward", "linear_cross_entropy_backward",
          "embedding_backward", "adamw", "l2_norm", "copy"}) {
      EXPECT_TRUE(kernels.contains(name)) << name;
    }
    EXPECT_TRUE(compared.contains("selective_scan_backward"));
  }
}

}  // namespace
}  // namespace krait
