// The task of training a language model on token sets.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "train/config/config.h"
#include "train/task/language_model_objective.h"
#include "train/task/task.h"
#include "train/task/token_data.h"

namespace krait {

/// A language model on token sets, watched by its loss on data.valid and by the texts that it
/// writes.
class LanguageModelling final : public Task {
 public:
  /// Throws BadData when data.valid was made with another tokenizer than data.train.
  explicit LanguageModelling(const Config& config);

  const Objective& objective() const override { return objective_; }
  bool read_initial_weights(const std::vector<NamedTensor>& parameters) const override;
  std::vector<LoaderPart> training_data() const override;
  void verify_data() const override;
  std::string data_identity() const override { return data_.identity(); }
  void describe(CheckpointState& state) const override;
  std::string data_size() const override;
  std::vector<std::string> description() const override { return data_.description(); }
  std::int64_t sample_length() const override { return config_.data.sequence_length; }
  const std::vector<std::unique_ptr<Evaluator>>& evaluators() const override { return evaluators_; }
  std::optional<std::string> sample() const override;

 private:
  Config config_;
  TrainingData data_;
  std::shared_ptr<const TokenSet> valid_set_;
  std::unique_ptr<Tokenizer> tokenizer_;
  LanguageModelObjective objective_;
  std::vector<std::unique_ptr<Evaluator>> evaluators_;
};

}  // namespace krait
