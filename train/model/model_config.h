// The model that a configuration describes, with what only the data and the precision know.
#pragma once
#include <cstdint>

#include "layers/models/config.h"
#include "train/config/config.h"

namespace krait {

/// `model` for data of `vocab_size` tokens, with the dtypes of `precision`.
///
/// Throws BadData when model.vocab_size is set and is not `vocab_size`: the ids of the data would
/// mean other tokens than those of the model.
ModelConfig model_config(const ModelConfig& model, std::int64_t vocab_size, Precision precision);

/// The model of a run: in train.precision.
inline ModelConfig model_config(const Config& config, std::int64_t vocab_size) {
  return model_config(config.model, vocab_size, config.train.precision);
}

}  // namespace krait
