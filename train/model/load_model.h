// Where a trained model is loaded from: a checkpoint, or a published model.
#pragma once
#include <filesystem>
#include <memory>

#include "data/token_set/info.h"
#include "data/token_set/token_set.h"
#include "train/model/loaded_model.h"

namespace krait {

/// Loads from a checkpoint, from the newest valid one of a run or checkpoints directory, or from a
/// directory of a published model (train/model/hugging_face/load.h).
///
/// Throws MissingInput when there is none there or it has no averaged weights, BadData when it is
/// damaged or its vocabulary is smaller than that of its tokenizer. The precision must be one that
/// the device can compute in (obstacle_to_precision).
LoadedModel load_model(const std::filesystem::path& path, const LoadModelOptions& options = {});

/// The tokenizer that a checkpoint was made with.
std::unique_ptr<Tokenizer> checkpoint_tokenizer(const std::filesystem::path& checkpoint,
                                                const CheckpointState& state);

/// Throws BadData unless `set` was made with the model's tokenizer.
void require_tokenizer_of(const LoadedModel& model, const TokenSet& set);

}  // namespace krait
