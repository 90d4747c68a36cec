// Published models: directories with config.json and safetensors files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "data/safetensors/safetensors.h"
#include "train/model/hugging_face/config.h"
#include "train/model/loaded_model.h"

namespace krait {

/// Whether load_model takes the directory for a published model: it holds config.json or weights as
/// they are published, and no checkpoint.
bool is_hugging_face_directory(const std::filesystem::path& path);

/// Reads config.json there. Throws as load_hugging_face does, also when the weights are missing.
HuggingFaceConfig read_hugging_face_config(const std::filesystem::path& directory);

/// load_model for such a directory: MambaForCausalLM or FalconMambaForCausalLM of transformers, or
/// a model of the official implementation, whose weights lie in model.safetensors or in the shards
/// of model.safetensors.index.json; f32, f64, f16 and bf16, in either naming. The configuration
/// that comes with it has the model's fields; the rest is defaults. The precision is bf16 where the
/// weights are and the device can, else f32 unless the options say otherwise.
///
/// The vocabulary is the tokenizer's, where there is one; rows of the embedding beyond it are
/// padding.
///
/// Throws MissingInput when a file is not there, BadData when config.json is not one of a model
/// that Krait can run (train/model/hugging_face/config.h) or the weights are not exactly those that
/// it asks for. Memory is taken only after the names and shapes of all weights are found right.
LoadedModel load_hugging_face(const std::filesystem::path& directory,
                              const LoadModelOptions& options);

/// Makes a checkpoint of a published model: `run`/checkpoints/step_00000000 with weights in f32,
/// configuration and tokenizer, and the configuration beside it. `run` must be empty or not there.
/// Without a tokenizer the model reads and writes ids (NumberTokenizer). Gives the checkpoint.
///
/// The configuration is complete for using the model; for training it names no data.
std::filesystem::path import_hugging_face(const std::filesystem::path& directory,
                                          const std::filesystem::path& run,
                                          const std::filesystem::path& tokenizer = {});

struct HuggingFaceExport {
  HuggingFaceStyle style = HuggingFaceStyle::Transformers;
  SafetensorsType type = SafetensorsType::F32;  // of all weights; a float type
  std::uint64_t max_shard_bytes = 5'000'000'000;
};
/// Writes the model into `directory`, which must be empty or not there: config.json,
/// model.safetensors (or shards of at most max_shard_bytes, unless one array is larger, and
/// model.safetensors.index.json), generation_config.json and, for tokenizers that transformers has
/// a counterpart for, tokenizer.json and tokenizer_config.json. config.json comes last: without it
/// an export that broke off is no model. The model must lie on the CPU in f32 or f64.
///
/// Throws Usage when the directory is in use or the style cannot express the model, BadData when a
/// weight is beyond the range of the type.
void export_hugging_face(const LoadedModel& model, const std::filesystem::path& directory,
                         const HuggingFaceExport& options = {});

}  // namespace krait
