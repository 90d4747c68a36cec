// krait model: published models in and out, and what a model directory holds.
#include <charconv>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/commands/command.h"
#include "train/config/schema.h"
#include "train/model/hugging_face/load.h"
#include "train/model/load_model.h"
#include "train/model/model_info.h"
#include "train/record/progress.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct ModelOptions {
  std::string from, out, tokenizer, json;
  CheckpointWeights weights = CheckpointWeights::Trained;
  HuggingFaceExport format;
};

void import(const ModelOptions& o) {
  const std::filesystem::path checkpoint = import_hugging_face(o.from, o.out, o.tokenizer);
  const ModelInfo info = model_info(checkpoint);
  std::cout << fmt::format("{} parameters in {}\n", info.parameters, checkpoint.string());
  if (info.tokenizer.starts_with("numbers-")) {
    std::cout << "There is no tokenizer.json in " << o.from
              << ": the model reads and writes token ids. --tokenizer gives it one.\n";
  }
}

void add_import(CLI::App& parent) {
  const auto o = std::make_shared<ModelOptions>();
  CLI::App* command =
      parent.add_subcommand("import", "Make a checkpoint of a published model (Hugging Face)");
  command->add_option("DIR", o->from, "Directory with config.json and *.safetensors")->required();
  command->add_option("--out", o->out, "Where the checkpoint goes: a new run directory")
      ->type_name("DIR")
      ->required();
  add_tokenizer_option(*command, o->tokenizer);
  command->callback([o] { import(*o); });
}

/// "5GB", "200MB", "1000": decimal units, as in transformers.
std::uint64_t parse_size(const std::string& text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string unit(stop, end);
  const std::vector<std::pair<std::string, std::uint64_t>> units{
      {"", 1}, {"KB", 1000}, {"MB", 1000'000}, {"GB", 1000'000'000}};
  for (const auto& [name, bytes] : units) {
    if (error == std::errc() && unit == name && number > 0 && number < UINT64_MAX / bytes) {
      return number * bytes;
    }
  }
  throw Error(ErrorKind::Usage,
              "--max-shard-size must be like 5GB, 200MB or 1000000, got '" + text + "'.");
}

void export_model(const ModelOptions& o) {
  // As the weights are stored, not as they are computed with.
  const LoadedModel model = load_model(o.from, {.weights = o.weights,
                                                .precision = Precision::F32,
                                                .tokenizer = o.tokenizer,
                                                .needs_tokenizer = false});
  export_hugging_face(model, o.out, o.format);
  const ModelInfo info = model_info(o.out);
  std::cout << fmt::format("{} parameters in {}\n", model.model->parameter_count(), o.out);
  if (info.tokenizer.empty()) {
    std::cout << "The model has no tokenizer that transformers could read, so no tokenizer.json "
                 "was written.\n";
  }
}

void add_export(CLI::App& parent) {
  const auto o = std::make_shared<ModelOptions>();
  const auto shard = std::make_shared<std::string>("5GB");
  CLI::App* command = parent.add_subcommand(
      "export", "Write a model as a directory that transformers loads (Hugging Face)");
  add_model_option(*command, o->from);
  command->add_option("--out", o->out, "A new directory")->type_name("DIR")->required();
  static constexpr std::array kTypes{SafetensorsType::F32, SafetensorsType::BF16,
                                     SafetensorsType::F16};
  add_choice_option(*command, {.name = "--dtype",
                               .help = "Type of the weights in the files",
                               .choices = {"f32", "bf16", "f16"},
                               .set = [o](std::size_t i) { o->format.type = kTypes.at(i); }});
  add_choice_option(*command, "--style",
                    "Configuration and names of transformers, or of the official implementation "
                    "(whose loader reads only pickled weights)",
                    o->format.style);
  command->add_option("--max-shard-size", *shard, "Cut larger models into files of at most this")
      ->type_name("SIZE")
      ->capture_default_str();
  add_weights_option(*command, o->weights);
  add_tokenizer_option(*command, o->tokenizer);
  command->callback([o, shard] {
    o->format.max_shard_bytes = parse_size(*shard);
    export_model(*o);
  });
}

/// The fields that describe the model: those of the section model, and of each kind of its layers
/// that has a section of its own.
ordered_json fields_json(const ModelConfig& model) {
  Config config;
  config.model = model;
  const std::vector<MixerKind> kinds = model.kinds();
  ordered_json fields = ordered_json::object();
  for (const Field& f : config_fields()) {
    const auto kind = value_of<MixerKind>(f.section());
    const bool of_kind = kind && std::ranges::count(kinds, *kind) > 0;
    if (f.section() != "model" && !of_kind) continue;
    const std::string name = of_kind ? f.name : std::string(f.key());
    std::visit([&](const auto& value) { fields[name] = value; }, f.get(config));
  }
  return fields;
}

void print_info(const ModelInfo& info) {
  std::cout << fmt::format("{}\n{}", info.path.string(), info.form);
  if (info.form == "checkpoint") std::cout << fmt::format(" of step {}", info.step);
  std::cout << fmt::format(", {} parameters ({})\n", info.parameters,
                           format_count(static_cast<double>(info.parameters)));
  if (info.tokenizer.empty()) {
    std::cout << "no tokenizer\n";
  } else {
    std::cout << fmt::format("tokenizer {}, {} tokens, sha256 {}\n", info.tokenizer,
                             info.tokenizer_tokens, info.tokenizer_sha256);
  }
  const ordered_json fields = fields_json(info.model);
  for (const auto& [key, value] : fields.items()) {
    std::cout << fmt::format("  {}: {}\n", key, value.dump());
  }
  for (const ModelArray& a : info.arrays) {
    std::cout << fmt::format("{:<5} {:<20} {}\n", a.type, str(a.shape), a.name);
  }
}

void show_info(const ModelOptions& o) {
  const ModelInfo info = model_info(o.from);
  print_info(info);
  ordered_json arrays = ordered_json::array();
  for (const ModelArray& a : info.arrays) {
    arrays.push_back({{"name", a.name},
                      {"dtype", a.type},
                      {"shape", std::vector<std::int64_t>(a.shape.begin(), a.shape.end())}});
  }
  write_json(o.json, {{"path", info.path.string()},
                      {"form", info.form},
                      {"step", info.step},
                      {"parameters", info.parameters},
                      {"tokenizer", info.tokenizer},
                      {"tokenizer_sha256", info.tokenizer_sha256},
                      {"tokenizer_tokens", info.tokenizer_tokens},
                      {"model", fields_json(info.model)},
                      {"arrays", arrays}});
}

void add_info(CLI::App& parent) {
  const auto o = std::make_shared<ModelOptions>();
  CLI::App* command =
      parent.add_subcommand("info", "Parameters, shapes, configuration and tokenizer of a model");
  command->add_option("DIR", o->from, "A checkpoint, a run or a published model")->required();
  add_json_option(*command, o->json);
  command->callback([o] { show_info(*o); });
}

void add_model_command(CLI::App& app) {
  CLI::App* model = app.add_subcommand("model", "Published models in and out");
  model->require_subcommand(1);
  add_import(*model);
  add_export(*model);
  add_info(*model);
}

const CommandRegistration kModel(45, add_model_command);

}  // namespace
}  // namespace krait
