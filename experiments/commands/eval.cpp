// krait eval: how good a trained model is.
#include "experiments/commands/eval.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace krait {

void add_eval_model_options(CLI::App& command, EvalModelOptions& options) {
  command
      .add_option("--model", options.model,
                  "A checkpoint, a run, whose newest one is taken, or a Hugging Face directory")
      ->type_name("DIR")
      ->required();
  add_tokenizer_option(command, options.tokenizer);
  add_weights_option(command, options.weights);
  add_threads_option(command, options.threads);
  add_device_option(command, options.device);
  add_precision_option(command, options.precision);
}

LoadedModel load_eval_model(const EvalModelOptions& o) {
  use_threads(o.threads);
  const Device device = resolve_device(o.device, o.precision);
  return load_model(
      o.model,
      {.weights = o.weights, .precision = o.precision, .device = device, .tokenizer = o.tokenizer});
}

void describe_eval_model(const EvalModelOptions& o, const LoadedModel& loaded,
                         nlohmann::ordered_json& report) {
  const TokenizerIdentity tokenizer = loaded.tokenizer->identity();
  report["dtype"] = name_of(loaded.precision);
  report["device"] = describe_device(loaded.model->device());
  report["model"] = loaded.path.string();
  report["step"] = loaded.step;
  report["weights"] = name_of(o.weights);
  report["tokenizer"] = {{"name", tokenizer.name}, {"sha256", tokenizer.sha256}};
}

std::string eval_model_line(const nlohmann::ordered_json& r) {
  const auto text = [&](const char* key) { return r[key].get<std::string>(); };
  return fmt::format("model             {} (step {}, {} weights, {} on {})\n", text("model"),
                     r["step"].get<std::int64_t>(), text("weights"), text("dtype"), text("device"));
}

void EvalProgress::update(std::uint64_t done, std::uint64_t total) {
  if (!progress_) {
    progress_.emplace(
        ProgressOptions{.label = "eval",
                        .item = item_,
                        .total = static_cast<std::int64_t>(total),
                        .first = static_cast<std::int64_t>(done)});  // before the clock started
  }
  progress_->update(static_cast<std::int64_t>(done));
}

void EvalProgress::finish() {
  if (progress_) progress_->finish();
}

namespace {

void add_eval_command(CLI::App& app) {
  CLI::App* eval = app.add_subcommand("eval", "Evaluate a trained model");
  eval->require_subcommand(1);
  add_eval_perplexity(*eval);
  add_eval_tasks(*eval);
}

const CommandRegistration kEval(20, add_eval_command);

}  // namespace
}  // namespace krait
