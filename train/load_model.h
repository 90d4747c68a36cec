// A trained model ready for use.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "data/token_set.h"
#include "data/tokenizer.h"
#include "layers/mamba_lm.h"
#include "train/checkpoint.h"
#include "train/config.h"

namespace krait {

struct LoadModelOptions {
  CheckpointWeights weights = CheckpointWeights::Trained;
  /// Default: as the model was trained, where the device can, else f32.
  std::optional<Config::Train::Precision> precision;
  Device device;
};

struct LoadedModel {
  std::filesystem::path path;  // the checkpoint
  std::int64_t step = 0;
  Config config;
  Config::Train::Precision precision = {};  // that it is used in; goes with precision_context()
  std::unique_ptr<MambaLM> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// Loads from a checkpoint, or from the newest valid one of a run or checkpoints directory.
///
/// Throws MissingInput when there is none there or it has no averaged weights, BadData when it is
/// damaged or its vocabulary is smaller than that of its tokenizer. The precision must be one that
/// the device can compute in (require_precision).
LoadedModel load_model(const std::filesystem::path& path, const LoadModelOptions& options = {});

/// Throws BadData unless `set` was made with the model's tokenizer.
void require_tokenizer_of(const LoadedModel& model, const TokenSet& set);

}  // namespace krait
