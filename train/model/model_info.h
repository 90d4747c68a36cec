// What a model directory holds, without reading the weights.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor/shape.h"
#include "train/config/config.h"

namespace krait {

struct ModelArray {
  std::string name;  // as in the file
  Shape shape;
  std::string type;  // "f32"
};

struct ModelInfo {
  std::filesystem::path path;  // the checkpoint, or published model
  std::string form;            // "checkpoint", "transformers" or "state-spaces"
  std::int64_t step = 0;       // of a checkpoint
  ModelConfig model;           // vocab_size as the checkpoint or config.json has it
  std::vector<ModelArray> arrays;
  std::int64_t parameters = 0;  // elements of all arrays
  std::string tokenizer;        // its name; empty: none
  std::string tokenizer_sha256;
  std::int64_t tokenizer_tokens = 0;
};

/// The arrays of the model that `config` describes for data of `vocab_size` tokens, in model order.
/// Takes no memory for them. Throws as model_config does.
std::vector<ModelArray> parameter_shapes(const Config& config, std::int64_t vocab_size);

/// Of what load_model takes, with the same errors; a published model need not have a tokenizer.
ModelInfo model_info(const std::filesystem::path& path);

}  // namespace krait
