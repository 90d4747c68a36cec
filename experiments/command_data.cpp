// krait data: from text to token sets.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/build.h"
#include "data/token_set.h"
#include "experiments/command.h"
#include "train/build_info.h"
#include "train/progress.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct BuildCommand {
  BuildOptions options;
  std::vector<std::string> inputs;
  std::string output, json;
  std::string tokenizer = "byte";
};

struct SetCommand {
  std::string path, json;
};

ordered_json to_json(const TokenSetInfo& info) {
  return {{"path", info.path.string()},
          {"n_tokens", info.n_tokens},
          {"n_documents", info.n_documents},
          {"shortest_document", info.shortest_document},
          {"longest_document", info.longest_document},
          {"vocab_size", info.vocab_size},
          {"token_bytes", info.token_bytes},
          {"end_of_document", info.end_of_document},
          {"tokenizer", info.tokenizer.name},
          {"tokenizer_sha256", info.tokenizer.sha256},
          {"content_sha256", info.content_sha256},
          {"file_bytes", info.file_bytes},
          {"format_version", info.format_version},
          {"provenance", ordered_json::parse(info.provenance, nullptr, false)}};
}

std::string summary(const TokenSetInfo& info) {
  return fmt::format("{}: {} tokens in {} documents, {} bytes\n", info.path.string(), info.n_tokens,
                     info.n_documents, info.file_bytes);
}

ordered_json to_json(const BuildResult& result) {
  ordered_json report{{"train", to_json(result.train)}};
  if (result.valid) report["valid"] = to_json(*result.valid);
  report["empty_documents"] = result.empty_documents;
  report["skipped"] = ordered_json::array();
  for (const SkippedFile& file : result.skipped) {
    report["skipped"].push_back({{"path", file.path.string()}, {"reason", file.reason}});
  }
  report["notes"] = result.notes;
  return report;
}

void run_build(BuildCommand& command) {
  BuildOptions& options = command.options;
  options.inputs.assign(command.inputs.begin(), command.inputs.end());
  options.output = command.output;
  options.tool = fmt::format("krait {} ({})", build_info().version, build_info().source);
  std::optional<Progress> progress;
  options.progress = [&progress](const BuildProgress& p) {
    if (!progress) {
      progress.emplace(ProgressOptions{
          .label = "build",
          .item = "bytes",
          .total = static_cast<std::int64_t>(p.bytes_total),
          .first = static_cast<std::int64_t>(p.bytes_done)});  // before the clock started
    }
    progress->update(static_cast<std::int64_t>(p.bytes_done),
                     fmt::format("{} documents", p.documents));
  };
  const BuildResult result = build_token_sets(options, *make_tokenizer(command.tokenizer));
  if (progress) progress->finish();
  for (const SkippedFile& file : result.skipped) {
    std::cerr << "left out " << file.path.string() << ": " << file.reason << '\n';
  }
  for (const std::string& note : result.notes) std::cerr << note << '\n';
  std::cout << summary(result.train);
  if (result.valid) std::cout << summary(*result.valid);
  write_json(command.json, to_json(result));
}

void run_info(const SetCommand& command) {
  const TokenSet set(command.path);
  std::cout << set.info();
  write_json(command.json, to_json(set.info()));
}

void run_verify(const SetCommand& command) {
  const TokenSet set(command.path);
  Progress progress(
      {.label = "verify", .item = "tokens", .total = static_cast<std::int64_t>(set.n_tokens())});
  set.verify([&](std::uint64_t done) { progress.update(static_cast<std::int64_t>(done)); });
  progress.finish();
  std::cout << command.path << " is intact: " << set.n_tokens() << " tokens in "
            << set.n_documents() << " documents\n";
  ordered_json report = to_json(set.info());
  report["intact"] = true;
  write_json(command.json, report);
}

void add_build(CLI::App& data) {
  const auto command = std::make_shared<BuildCommand>();
  BuildOptions& options = command->options;
  CLI::App* build = data.add_subcommand("build", "Make token sets out of text");
  build
      ->add_option("INPUT", command->inputs,
                   "Text files (a document each), .jsonl files (a document a line), folders")
      ->required();
  build
      ->add_option("--out", command->output,
                   "Folder for train.h5 and valid.h5; or, with nothing held out, a .h5 file")
      ->type_name("PATH")
      ->required();
  build->add_option("--held-out", options.held_out, "Fraction of the documents for valid.h5")
      ->type_name("F")
      ->capture_default_str();
  add_seed_option(*build, options.seed, "the choice of held-out documents");
  build->add_option("--tokenizer", command->tokenizer, "byte")
      ->type_name("NAME")
      ->capture_default_str();
  build->add_option("--text-field", options.text_field, "Field of a JSONL object with the text")
      ->type_name("NAME")
      ->capture_default_str();
  add_json_option(*build, command->json);
  build->callback([command] { run_build(*command); });
}

void add_set_command(CLI::App& data, const char* name, const char* help,
                     void (*run)(const SetCommand&)) {
  const auto command = std::make_shared<SetCommand>();
  CLI::App* app = data.add_subcommand(name, help);
  app->add_option("SET", command->path, "Token set, a .h5 file")->required();
  add_json_option(*app, command->json);
  app->callback([command, run] { run(*command); });
}

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Build, describe and verify token sets");
  data->require_subcommand(1);
  add_build(*data);
  add_set_command(*data, "info", "Describe a token set", run_info);
  add_set_command(*data, "verify", "Check every token against the hashes in the set", run_verify);
}

const CommandRegistration kData(40, add_data_command);

}  // namespace
}  // namespace krait
