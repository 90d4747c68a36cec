// krait checkpoint: what a run has saved, and whether it is intact.
#include "train/run/checkpoint.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "experiments/commands/command.h"
#include "train/record/progress.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct CheckpointOptions {
  std::string path;
  std::string json;
};

/// The checkpoints that `path` means: one checkpoint, damaged or not, or those of a run.
std::vector<CheckpointInfo> checkpoints_of(const fs::path& path) {
  KRAIT_CHECK(MissingInput, directory_exists(path), "there is no directory '", path.string(),
              "'; give a run directory or a checkpoint in it.");
  for (const char* part : {"manifest.json", "state.json", "model.h5"}) {
    if (path_exists(path / part)) return {{.path = path}};
  }
  for (const fs::path& root : {path / "checkpoints", path}) {
    if (auto found = list_checkpoints(root); !found.empty()) return found;
  }
  throw Error(ErrorKind::MissingInput, "there is no checkpoint in '" + path.string() +
                                           "'; give a run directory or a checkpoint in it.");
}

std::uintmax_t bytes_in(const fs::path& directory) {
  std::uintmax_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

struct Row {
  CheckpointInfo info;
  std::uintmax_t bytes = 0;
  TrainingPosition position;
  std::string problem;  // why the position could not be read; ls does not look further
};

Row read_row(const CheckpointInfo& info) {
  Row row{.info = info, .bytes = bytes_in(info.path)};
  try {
    row.position = read_checkpoint_state(info.path).position;
  } catch (const Error& error) {
    row.problem = error.what();
  }
  return row;
}

/// `best_step` is 0 where no evaluation was made, as for an imported model, whose step is 0 as
/// well.
bool is_best(const Row& row, std::int64_t best_step) {
  return best_step > 0 && row.position.step == best_step;
}

std::string line_of(const Row& row, std::int64_t best_step) {
  const TrainingPosition& p = row.position;
  const std::string size = format_count(static_cast<double>(row.bytes));
  const std::string path = row.info.path.string();
  if (!row.problem.empty()) {
    return fmt::format("{:>10} {:>16} {:>8}  {}  damaged: {}\n", row.info.step, "?", size, path,
                       row.problem);
  }
  const std::string best =
      is_best(row, best_step) ? fmt::format("  best, evaluation loss {:.4f}", p.best_loss) : "";
  return fmt::format("{:>10} {:>16} {:>8}  {}{}\n", p.step, p.tokens, size, path, best);
}

void list(const CheckpointOptions& options) {
  std::vector<Row> rows;
  std::int64_t best_step = 0;  // the newest checkpoint knows it
  for (const CheckpointInfo& info : checkpoints_of(options.path)) {
    rows.push_back(read_row(info));
    if (rows.back().position.best_step > 0) best_step = rows.back().position.best_step;
  }
  ordered_json all = ordered_json::array();
  std::cout << fmt::format("{:>10} {:>16} {:>8}  {}\n", "step", "tokens", "bytes", "path");
  for (const Row& row : rows) {
    std::cout << line_of(row, best_step);
    ordered_json entry{{"path", row.info.path.string()}, {"bytes", row.bytes}};
    if (row.problem.empty()) {
      entry["step"] = row.position.step;
      entry["tokens"] = row.position.tokens;
      entry["best"] = is_best(row, best_step);
    } else {
      entry["problem"] = row.problem;
    }
    all.push_back(entry);
  }
  write_json(options.json, {{"checkpoints", all}});
}

void verify(const CheckpointOptions& options) {
  ordered_json all = ordered_json::array();
  std::size_t damaged = 0;
  for (const CheckpointInfo& info : checkpoints_of(options.path)) {
    const std::vector<std::string> problems = verify_checkpoint(info.path);
    damaged += problems.empty() ? 0 : 1;
    std::cout << (problems.empty() ? "intact   " : "damaged  ") << info.path.string() << std::endl;
    for (const std::string& problem : problems) std::cout << "         " << problem << '\n';
    all.push_back(
        {{"path", info.path.string()}, {"intact", problems.empty()}, {"problems", problems}});
  }
  write_json(options.json, {{"damaged", damaged}, {"checkpoints", all}});
  KRAIT_CHECK(BadData, damaged == 0, damaged, " of ", all.size(),
              " checkpoints are damaged; krait train takes the newest intact one.");
}

void add_action(CLI::App& parent, const char* name, const char* help,
                void (*act)(const CheckpointOptions&)) {
  const auto options = std::make_shared<CheckpointOptions>();
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("DIR", options->path, "Run directory, or one checkpoint")->required();
  add_json_option(*command, options->json);
  command->callback([options, act] { act(*options); });
}

void add_checkpoint_command(CLI::App& app) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "List and verify checkpoints");
  checkpoint->require_subcommand(1);
  add_action(*checkpoint, "ls", "List the checkpoints of a run", list);
  add_action(*checkpoint, "verify", "Compare every file with the hashes in the manifests", verify);
}

const CommandRegistration kCheckpoint(50, add_checkpoint_command);

}  // namespace
}  // namespace krait
