// krait data lra, and krait data info and verify on what it makes.
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/experiments/run_binary.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class LraData : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return (directory_ / name).string(); }
  json report(const std::string& name) const { return json::parse(read_file(at(name))); }
  TemporaryDirectory directory_;
};

TEST_F(LraData, ListOpsIsMadeWrittenInTheReleasesFilesAndReadBack) {
  const BinaryResult made =
      run_krait({"data", "lra", "listops", "--out", at("made"), "--examples", "20", "3", "3",
                 "--seed", "4", "--raw", "--json", at("made.json")});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.out.find("listops: regenerated data, 16 of 16 facts"), std::string::npos)
      << made.out;
  EXPECT_NE(made.out.find("made/train.h5: 20 examples"), std::string::npos) << made.out;
  const BinaryResult read = run_krait({"data", "lra", "listops", "--from", at("made/raw"), "--out",
                                       at("read"), "--json", at("read.json")});
  ASSERT_EQ(read.code, 0) << read.err;
  EXPECT_NE(read.err.find("rows of basic_train.tsv: 20, in the benchmark 96000."),
            std::string::npos)
      << read.err;
  for (const char* part : {"train", "valid", "test"}) {
    const json a = report("made.json")[part], b = report("read.json")[part];
    EXPECT_EQ(a["n_tokens"], b["n_tokens"]);
    EXPECT_EQ(a["provenance"]["part"], part);
  }
  EXPECT_EQ(report("read.json")["origin"], "regenerated");

  const BinaryResult info =
      run_krait({"data", "info", at("made/train.h5"), "--json", at("info.json")});
  ASSERT_EQ(info.code, 0) << info.err;
  EXPECT_NE(info.out.find("task             listops, 10 classes"), std::string::npos) << info.out;
  EXPECT_EQ(report("info.json")["content_sha256"], report("made.json")["train"]["content_sha256"]);
  const BinaryResult intact = run_krait({"data", "verify", at("made/train.h5")});
  ASSERT_EQ(intact.code, 0) << intact.err;
  EXPECT_NE(intact.out.find("is intact"), std::string::npos) << intact.out;
}

TEST_F(LraData, PathfinderComesWithASheet) {
  const BinaryResult made =
      run_krait({"data", "lra", "pathfinder", "--contour-length", "6", "--out", at("made"),
                 "--examples", "12", "2", "2", "--sheet", at("sheet.png"), "--sheet-columns", "3"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.out.find("other than in the benchmark: paths of 6 dashes"), std::string::npos)
      << made.out;
  EXPECT_TRUE(read_file(at("sheet.png")).starts_with("\x89PNG"));
}

TEST_F(LraData, MistakesAreAnsweredWithWhatToDo) {
  const auto expect_refused = [&](std::vector<std::string> arguments, int code,
                                  std::string_view part) {
    arguments.insert(arguments.begin(), {"data", "lra"});
    arguments.insert(arguments.end(), {"--out", at("out")});
    const BinaryResult result = run_krait(arguments);
    EXPECT_EQ(result.code, code);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  expect_refused({"pathfindr"}, 64, "Did you mean pathfinder?");
  expect_refused({"pathfinder", "--window", "48"}, 64, "the --window of Pathfinder must be 32");
  expect_refused({"text"}, 64, "name the folder with its released files");
  expect_refused({"pathx"}, 64, "ask for --raw files, or make Pathfinder with a --window of 128");
  expect_refused({"image", "--from", at("none")}, 66,
                 "none/cifar-10-batches-bin/data_batch_1.bin'");
  expect_refused({"listops", "--units", "words"}, 64, "must be one of bytes, characters");
  EXPECT_FALSE(fs::exists(at("out/train.h5")));
}

}  // namespace
}  // namespace krait
