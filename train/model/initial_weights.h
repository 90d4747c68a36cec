// Where a run's weights start, when not at random (train.initial_weights).
#pragma once
#include <vector>

#include "core/tensor/named_tensor.h"
#include "data/tokenizer/tokenizer.h"
#include "train/config/config.h"

namespace krait {

/// Sets `parameters`, those of the model that `config` describes, to the weights of the model that
/// train.initial_weights names: anything that load_model takes.
///
/// Throws BadConfig when that model differs from `config` in a field or shape, or was made with
/// another tokenizer than `tokenizer`; else as load_model does.
void read_initial_weights(const Config& config, const TokenizerIdentity& tokenizer,
                          const std::vector<NamedTensor>& parameters);

}  // namespace krait
