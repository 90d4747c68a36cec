// The shape of the model that a configuration describes.
#pragma once
#include <cstdint>

#include "layers/mixers/config.h"
#include "train/config/config.h"

namespace krait {

/// The MambaConfig of `config` for data of `vocab_size` tokens. The dtype is f64 for
/// train.precision f64, else that of the master weights, f32; activations and matrix weights are
/// bf16 for train.precision bf16.
///
/// Throws BadData when model.vocab_size is set and is not `vocab_size`: the ids of the data would
/// mean other tokens than those of the model.
MambaConfig model_config(const Config& config, std::int64_t vocab_size);

}  // namespace krait
