// A trained model ready for use.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "data/token_set/token_set.h"
#include "data/tokenizer/tokenizer.h"
#include "layers/models/language_model.h"
#include "train/config/config.h"
#include "train/run/checkpoint.h"

namespace krait {

struct LoadModelOptions {
  CheckpointWeights weights = CheckpointWeights::Trained;
  /// Default: as the model was trained, where the device can, else f32.
  std::optional<Config::Train::Precision> precision;
  Device device;
  /// Instead of the tokenizer that comes with the model: what make_tokenizer takes (a
  /// tokenizer.json, a directory with one, "byte").
  std::filesystem::path tokenizer;
  bool needs_tokenizer = true;  // false: a published model may come without one
};

struct LoadedModel {
  std::filesystem::path path;  // the checkpoint, or published model
  std::int64_t step = 0;
  Config config;
  Config::Train::Precision precision = {};  // that it is used in; goes with precision_context()
  std::unique_ptr<MambaLM> model;
  std::unique_ptr<Tokenizer> tokenizer;  // null only without needs_tokenizer
};

/// Loads from a checkpoint, from the newest valid one of a run or checkpoints directory, or from a
/// directory of a published model (hugging_face.h).
///
/// Throws MissingInput when there is none there or it has no averaged weights, BadData when it is
/// damaged or its vocabulary is smaller than that of its tokenizer. The precision must be one that
/// the device can compute in (require_precision).
LoadedModel load_model(const std::filesystem::path& path, const LoadModelOptions& options = {});

/// The tokenizer that a checkpoint was made with.
std::unique_ptr<Tokenizer> checkpoint_tokenizer(const std::filesystem::path& checkpoint,
                                                const CheckpointState& state);

/// Throws BadData unless `set` was made with the model's tokenizer.
void require_tokenizer_of(const LoadedModel& model, const TokenSet& set);

}  // namespace krait
