// A trained model ready for use.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "data/tokenizer/tokenizer.h"
#include "layers/models/language_model.h"
#include "train/config/config.h"
#include "train/run/checkpoint.h"

namespace krait {

struct LoadModelOptions {
  CheckpointWeights weights = CheckpointWeights::Trained;
  /// Default: as the model was trained, where the device can, else f32.
  std::optional<Precision> precision;
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
  Precision precision = {};  // that it is used in; goes with precision_context()
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<Tokenizer> tokenizer;  // null only without needs_tokenizer
};

}  // namespace krait
