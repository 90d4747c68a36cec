#include "experiments/commands/trained_model.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace krait {

void add_trained_model_options(CLI::App& command, TrainedModelOptions& options) {
  add_model_option(command, options.model);
  add_tokenizer_option(command, options.tokenizer);
  add_weights_option(command, options.weights);
  add_threads_option(command, options.threads);
  add_device_option(command, options.device);
  add_precision_option(command, options.precision);
}

LoadedModel load_trained_model(const TrainedModelOptions& o) {
  use_threads(o.threads);
  const Device device = resolve_device(o.device, o.precision);
  return load_model(
      o.model,
      {.weights = o.weights, .precision = o.precision, .device = device, .tokenizer = o.tokenizer});
}

void describe_trained_model(const TrainedModelOptions& o, const LoadedModel& loaded,
                            nlohmann::ordered_json& report) {
  const TokenizerIdentity tokenizer = loaded.tokenizer->identity();
  report["dtype"] = name_of(loaded.precision);
  report["device"] = describe_device(loaded.model->device());
  report["model"] = loaded.path.string();
  report["step"] = loaded.step;
  report["weights"] = name_of(o.weights);
  report["tokenizer"] = {{"name", tokenizer.name}, {"sha256", tokenizer.sha256}};
}

std::string trained_model_line(const nlohmann::ordered_json& r) {
  const auto text = [&](const char* key) { return r[key].get<std::string>(); };
  return fmt::format("model             {} (step {}, {} weights, {} on {})\n", text("model"),
                     r["step"].get<std::int64_t>(), text("weights"), text("dtype"), text("device"));
}

}  // namespace krait
