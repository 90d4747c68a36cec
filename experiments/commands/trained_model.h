// The options and the description of a model, for the commands that use one.
#pragma once
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "experiments/commands/command.h"
#include "train/model/load_model.h"

namespace krait {

/// The model and how to compute with it.
struct TrainedModelOptions {
  std::string model, tokenizer;
  CheckpointWeights weights = CheckpointWeights::Trained;
  DeviceChoice device = DeviceChoice::Auto;
  std::optional<Precision> precision;
  int threads = 0;
};
/// --model, --tokenizer, --weights, --threads, --device and --dtype.
void add_trained_model_options(CLI::App& command, TrainedModelOptions& options);
LoadedModel load_trained_model(const TrainedModelOptions& options);

/// dtype, device, model, step, weights and tokenizer, under these names.
void describe_trained_model(const TrainedModelOptions& options, const LoadedModel& loaded,
                            nlohmann::ordered_json& report);
/// "model             runs/a (step 7, trained weights, f32 on cpu)"
std::string trained_model_line(const nlohmann::ordered_json& report);

}  // namespace krait
