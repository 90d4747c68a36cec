// What the subcommands of krait eval share.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "experiments/commands/command.h"
#include "train/model/load_model.h"
#include "train/record/progress.h"

namespace krait {

/// The model and how to compute with it.
struct EvalModelOptions {
  std::string model, tokenizer;
  CheckpointWeights weights = CheckpointWeights::Trained;
  DeviceChoice device = DeviceChoice::Auto;
  std::optional<Precision> precision;
  int threads = 0;
};
void add_eval_model_options(CLI::App& command, EvalModelOptions& options);
LoadedModel load_eval_model(const EvalModelOptions& options);

/// dtype, device, model, step, weights and tokenizer, under these names.
void describe_eval_model(const EvalModelOptions& options, const LoadedModel& loaded,
                         nlohmann::ordered_json& report);
/// "model             runs/a (step 7, trained weights, f32 on cpu)"
std::string eval_model_line(const nlohmann::ordered_json& report);

/// Progress whose total is known with the first update.
class EvalProgress {
 public:
  explicit EvalProgress(std::string item) : item_(std::move(item)) {}
  void update(std::uint64_t done, std::uint64_t total);
  void finish();

 private:
  std::string item_;
  std::optional<Progress> progress_;
};

/// The subcommands, each in its own file.
void add_eval_perplexity(CLI::App& eval);
void add_eval_tasks(CLI::App& eval);

}  // namespace krait
