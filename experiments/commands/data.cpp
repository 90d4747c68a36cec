// krait data: from text to token sets, and labelled sets.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/build/build.h"
#include "data/labelled_set/labelled_set.h"
#include "data/token_set/random.h"
#include "data/token_set/token_set.h"
#include "data/tokenizer/make_tokenizer.h"
#include "experiments/commands/command.h"
#include "experiments/commands/labelled_set.h"
#include "experiments/commands/late_progress.h"
#include "train/record/progress.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct BuildCommand {
  BuildOptions options;
  int threads = 0;
  std::vector<std::string> inputs;
  std::string output, json;
  std::string tokenizer = "byte", end_of_document;
};

struct RandomCommand {
  RandomTokenSet options;
  std::string output, json;
};

struct SetCommand {
  std::string path, json;
};

ordered_json to_json(const TokenSetInfo& info) {
  return {{"path", info.path.string()},
          {"n_tokens", info.n_tokens},
          {"n_shards", info.n_shards},
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
  options.tool = tool_name();
  use_threads(command.threads);
  LateProgress progress("build", "bytes");
  options.progress = [&progress](const BuildProgress& p) {
    progress.update(p.bytes_done, p.bytes_total, fmt::format("{} documents", p.documents));
  };
  const BuildResult result =
      build_token_sets(options, *make_tokenizer(command.tokenizer, command.end_of_document));
  progress.finish();
  for (const SkippedFile& file : result.skipped) {
    std::cerr << "left out " << file.path.string() << ": " << file.reason << '\n';
  }
  for (const std::string& note : result.notes) std::cerr << note << '\n';
  std::cout << summary(result.train);
  if (result.valid) std::cout << summary(*result.valid);
  write_json(command.json, to_json(result));
}

void run_random(RandomCommand& command) {
  RandomTokenSet& options = command.options;
  options.output = command.output;
  options.tool = tool_name();
  Progress progress({.label = "random", .item = "tokens", .total = options.n_tokens});
  options.progress = [&](std::uint64_t done) { progress.update(static_cast<std::int64_t>(done)); };
  const TokenSetInfo info = write_random_token_set(options);
  progress.finish();
  std::cout << summary(info);
  write_json(command.json, to_json(info));
}

void run_info(const SetCommand& command) {
  if (is_labelled_set(command.path)) return describe_labelled_set(command.path, command.json);
  const TokenSet set(command.path);
  std::cout << set.info();
  write_json(command.json, to_json(set.info()));
}

void run_verify(const SetCommand& command) {
  if (is_labelled_set(command.path)) return verify_labelled_set(command.path, command.json);
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
                   "Text files (one document each) and .jsonl files (one document per line), also "
                   "compressed (.gz, .zst); folders of them")
      ->required();
  build
      ->add_option("--out", command->output,
                   "Folder for train.h5 and valid.h5, or train/ and valid/; where nothing is held "
                   "out, also a .h5 file")
      ->type_name("PATH")
      ->required();
  build->add_option("--held-out", options.held_out, "Fraction of the documents for valid.h5")
      ->type_name("F")
      ->capture_default_str();
  add_seed_option(*build, options.seed, "the choice of held-out documents");
  build
      ->add_option("--shard-tokens", options.shard_tokens,
                   "Make folders of shards with at least N tokens each, after which an interrupted "
                   "build can continue; default: one file per set")
      ->type_name("N")
      ->check(CLI::PositiveNumber, "");
  add_max_line_option(*build, options.max_line_bytes);
  build
      ->add_option("--tokenizer", command->tokenizer,
                   "byte, or a tokenizer.json or a directory that holds one")
      ->type_name("SPEC")
      ->capture_default_str();
  build
      ->add_option("--end-of-document", command->end_of_document,
                   "Token that ends a document; default: the tokenizer's eos_token")
      ->type_name("TOKEN");
  build->add_option("--text-field", options.text_field, "Field of a JSONL object with the text")
      ->type_name("NAME")
      ->capture_default_str();
  add_threads_option(*build, command->threads);
  add_json_option(*build, command->json);
  build->callback([command] { run_build(*command); });
}

void add_random(CLI::App& data) {
  const auto command = std::make_shared<RandomCommand>();
  RandomTokenSet& options = command->options;
  CLI::App* random = data.add_subcommand(
      "random", "Make a token set of random tokens, to measure speed without data");
  random
      ->add_option("--vocab", options.vocab_size,
                   "Vocabulary: tokens 0 to N - 1, the last of which ends a document")
      ->type_name("N")
      ->required();
  random->add_option("--tokens", options.n_tokens, "Tokens, the ends of documents included")
      ->type_name("N")
      ->required();
  random->add_option("--documents", options.n_documents, "Documents, of equal length")
      ->type_name("N")
      ->capture_default_str();
  add_seed_option(*random, options.seed, "the tokens");
  random->add_option("--out", command->output, "The set, a .h5 file")
      ->type_name("FILE")
      ->required();
  add_json_option(*random, command->json);
  random->footer(
      "The tokens of its tokenizer are numbers: a model trained on it continues texts such as \"17 "
      "4\".\nThe speed of the published 130M model, 300 steps of 32 x 2048 tokens:\n  krait data "
      "random --vocab 50277 --tokens 20000000 --out runs/random.h5\n  krait train "
      "configs/mamba_130m.yaml data.train=runs/random.h5 data.valid= \\\n    "
      "run.directory=runs/speed train.batch_size=32 train.accumulation=1 train.steps=300 \\\n    "
      "schedule.warmup_steps=30 evaluation.every=0");
  random->callback([command] { run_random(*command); });
}

void add_set_command(CLI::App& data, const char* name, const char* help,
                     void (*run)(const SetCommand&)) {
  const auto command = std::make_shared<SetCommand>();
  CLI::App* app = data.add_subcommand(name, help);
  app->add_option("SET", command->path,
                  "Token set: a .h5 file or a folder of shards; or a labelled set: a .h5 file")
      ->required();
  add_json_option(*app, command->json);
  app->callback([command, run] { run(*command); });
}

void add_data_command(CLI::App& app) {
  CLI::App* data =
      app.add_subcommand("data", "Make, describe and verify token sets and labelled sets");
  data->require_subcommand(1);
  add_build(*data);
  add_random(*data);
  add_set_command(*data, "info", "Describe a token set or a labelled set", run_info);
  add_set_command(*data, "verify", "Check every token against the hashes in the set", run_verify);
}

const CommandRegistration kData(40, add_data_command);

}  // namespace
}  // namespace krait
