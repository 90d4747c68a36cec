#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/experiments/run_binary.h"
#include "train/config/config.h"
#include "train/config/schema.h"
#include "train/run/build_info.h"

namespace krait {
namespace {

const std::string kConfig = R"(
run: {directory: runs/x}
model: {d_model: 8, n_layer: 1}
data: {train: t.h5, sequence_length: 16}
train: {steps: 10, batch_size: 2}
optimizer: {lr: 0.01}
)";

class Cli : public testing::Test {
 protected:
  Cli()
      : directory_(std::filesystem::path(testing::TempDir()) /
                   ("krait_cli_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ / "good.yaml") << kConfig;
  }
  ~Cli() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name) const { return (directory_ / name).string(); }
  std::filesystem::path directory_;
};

// One line "krait: error: ...", ended by a newline.
void expect_one_error_line(const BinaryResult& result, int code) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.err.rfind("krait: error: ", 0), 0u) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_EQ(result.err.back(), '\n');
}

TEST_F(Cli, VersionNamesTheBuild) {
  const BinaryResult result = run_krait({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, describe_build() + "\n");
  EXPECT_NE(result.out.find("CUDA"), std::string::npos);
}

// The subcommands that the help of `command` lists.
std::vector<std::string> subcommands(const std::vector<std::string>& command) {
  std::vector<std::string> arguments = command;
  arguments.emplace_back("--help");
  const BinaryResult result = run_krait(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("Usage: krait"), std::string::npos) << result.out;
  std::vector<std::string> names;
  std::istringstream lines(result.out);
  bool listed = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) listed = false;
    if (listed && line.size() > 2 && line[2] != ' ') {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    if (line == "Subcommands:") listed = true;
  }
  return names;
}

TEST_F(Cli, HelpWorksForEveryCommandAndNeverFails) {
  std::vector<std::vector<std::string>> open = {{}};
  std::size_t seen = 0;
  while (!open.empty()) {
    const std::vector<std::string> command = open.back();
    open.pop_back();
    ++seen;
    for (const std::string& name : subcommands(command)) {
      open.push_back(command);
      open.back().push_back(name);
    }
  }
  EXPECT_GE(seen, 4u);  // krait, config, config docs, config show
}

TEST_F(Cli, EveryCommandRefusesUnknownFlagsWithTheUsageCode) {
  for (const std::string& name : subcommands({})) {
    const BinaryResult result = run_krait({name, "--no-such-flag-anywhere"});
    expect_one_error_line(result, 64);
    EXPECT_NE(result.err.find("--no-such-flag-anywhere"), std::string::npos) << result.err;
  }
}

TEST_F(Cli, MistypedCommandsAndFlagsGetASuggestion) {
  const BinaryResult command = run_krait({"cnofig"});
  expect_one_error_line(command, 64);
  EXPECT_EQ(command.err, "krait: error: unknown command cnofig; did you mean config?\n");
  const BinaryResult flag = run_krait({"config", "docs", "--markdwon"});
  EXPECT_EQ(flag.err, "krait: error: unknown flag --markdwon; did you mean --markdown?\n");
  const BinaryResult value = run_krait({"config", "docs", "--markdwon=true"});
  EXPECT_EQ(value.err, "krait: error: unknown flag --markdwon; did you mean --markdown?\n");
  expect_one_error_line(run_krait({}), 64);
  expect_one_error_line(run_krait({"config"}), 64);
  expect_one_error_line(run_krait({"config", "show"}), 64);
  expect_one_error_line(run_krait({"config", "docs", "too", "many"}), 64);
  expect_one_error_line(run_krait({"xyzzyplugh"}), 64);
}

TEST_F(Cli, AMistypedFlagIsBlamedAndNotTheRequiredOneThatIsMissing) {
  const BinaryResult result = run_krait({"config", "show", "--confg"});
  EXPECT_NE(result.err.find("unknown flag --confg"), std::string::npos) << result.err;
}

TEST_F(Cli, AnOverrideWithDashesIsShownWithoutThem) {
  const BinaryResult result = run_krait({"config", "show", file("good.yaml"), "--train.steps=5"});
  EXPECT_EQ(result.err,
            "krait: error: unknown flag --train.steps; fields of the configuration have no dashes: "
            "train.steps=5\n");
}

TEST_F(Cli, ConfigShowPrintsTheResolvedConfiguration) {
  const BinaryResult result =
      run_krait({"config", "show", file("good.yaml"), "train.steps=20", "run.directory=a b"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Config shown = parse_config(result.out, "output");
  EXPECT_EQ(shown.train.steps, 20);
  EXPECT_EQ(shown.run.directory, "a b");
  EXPECT_EQ(result.out, dump_yaml(shown));
}

TEST_F(Cli, EveryMistakeInAConfigurationIsALineOfItsOwn) {
  std::ofstream(directory_ / "bad.yaml") << kConfig << "run: {}\nmodle: {}\n";
  const BinaryResult result = run_krait({"config", "show", file("bad.yaml"), "optimizer.lr=-1"});
  EXPECT_EQ(result.code, 78);
  const std::string name = file("bad.yaml");
  EXPECT_EQ(result.err, "krait: error: " + name +
                            ":7:1: duplicate key run; first given on line 2\n"
                            "krait: error: " +
                            name +
                            ":8:1: unknown key modle; did you mean model?\n"
                            "krait: error: override 'optimizer.lr=-1': the value must be above 0, "
                            "got '-1'\n");
}

TEST_F(Cli, AMissingConfigurationIsMissingInput) {
  expect_one_error_line(run_krait({"config", "show", file("absent.yaml")}), 66);
}

TEST_F(Cli, ConfigDocsListEveryField) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"config", "docs"}, {"config", "docs", "--markdown"}}) {
    const BinaryResult result = run_krait(arguments);
    EXPECT_EQ(result.code, 0);
    for (const Field& field : config_fields()) {
      EXPECT_NE(result.out.find(field.name), std::string::npos) << field.name;
    }
  }
}

TEST_F(Cli, OutputThatCannotBeWrittenIsAnError) {
  const std::string command = std::string(KRAIT_BINARY) + " config docs >/dev/full 2>/dev/null";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 74);
}

}  // namespace
}  // namespace krait
