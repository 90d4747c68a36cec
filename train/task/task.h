// What a run is for: the model, the data that it learns from, and how well it does.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor/named_tensor.h"
#include "data/loader/loader.h"
#include "train/evaluate/evaluator.h"
#include "train/run/checkpoint.h"
#include "train/step/objective.h"

namespace krait {

/// A task owns its model and its data; the trainer knows neither of them.
class Task {
 public:
  virtual ~Task() = default;

  /// What is trained. Its parameters have their initial values.
  virtual const Objective& objective() const = 0;
  /// Sets `parameters`, those of the objective, to the weights that the configuration says a run
  /// starts from; false when it names none.
  virtual bool read_initial_weights(const std::vector<NamedTensor>& parameters) const = 0;

  /// What it learns from.
  virtual std::vector<LoaderPart> training_data() const = 0;
  /// Reads all data and throws BadData when they are damaged.
  virtual void verify_data() const = 0;
  /// What a checkpoint keeps of the training data, so that a run continues only with the same.
  virtual std::string data_identity() const = 0;
  /// Adds to a checkpoint what its user needs beside the weights, such as the tokenizer.
  virtual void describe(CheckpointState& state) const = 0;
  /// "1.23M tokens": the size of the training data.
  virtual std::string data_size() const = 0;
  /// For the log, a line each; may be empty.
  virtual std::vector<std::string> description() const = 0;
  /// Input positions of a sample: the length of sequences.
  virtual std::int64_t sample_length() const = 0;

  /// How well it does. The first one decides which checkpoint is the best; empty when there is
  /// nothing to evaluate on.
  virtual const std::vector<std::unique_ptr<Evaluator>>& evaluators() const = 0;
  /// What the model produces, for people; none when the configuration asks for none.
  virtual std::optional<std::string> sample() const = 0;
};

}  // namespace krait
