#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "train/model/hugging_face/load.h"
#include "train/model/hugging_face/tokenizer.h"
#include "train/run/run_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::vector<SafetensorsOutput> published_arrays(const LanguageModel& model,
                                                const HuggingFaceExport& options) {
  const bool official = options.style == HuggingFaceStyle::StateSpaces;
  std::vector<SafetensorsOutput> arrays;
  for (const Parameter& p : model.parameters()) {
    const bool embedding = p.name == "backbone.embedding.weight";
    const Tensor& value = p.variable.value();
    arrays.push_back(
        {embedding && !official ? "backbone.embeddings.weight" : p.name, value, options.type});
  }
  // The official state_dict has the tied head too, and load_state_dict asks for it.
  if (official && model.config().tie_embeddings) {
    arrays.push_back({"lm_head.weight", model.head().value(), options.type});
  }
  return arrays;
}

std::uint64_t bytes_of(const SafetensorsOutput& array) {
  return static_cast<std::uint64_t>(array.tensor.numel()) * size_of(array.type);
}

/// Consecutive arrays in shards of at most max_bytes, or one array.
std::vector<std::vector<SafetensorsOutput>> cut(std::vector<SafetensorsOutput> arrays,
                                                std::uint64_t max_bytes) {
  std::vector<std::vector<SafetensorsOutput>> shards(1);
  std::uint64_t bytes = 0;
  for (SafetensorsOutput& a : arrays) {
    if (!shards.back().empty() && bytes + bytes_of(a) > max_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += bytes_of(a);
    shards.back().push_back(std::move(a));
  }
  return shards;
}

void write_weights(const fs::path& directory, std::vector<SafetensorsOutput> arrays,
                   std::uint64_t max_shard_bytes) {
  const auto shards = cut(std::move(arrays), max_shard_bytes);
  if (shards.size() == 1) return write_safetensors(directory / "model.safetensors", shards[0]);
  ordered_json weight_map = ordered_json::object();
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_safetensors(directory / file, shards[i]);
    for (const SafetensorsOutput& a : shards[i]) {
      weight_map[a.name] = file;
      bytes += bytes_of(a);
    }
  }
  const ordered_json index{{"metadata", {{"total_size", bytes}}}, {"weight_map", weight_map}};
  write_file_atomic(directory / "model.safetensors.index.json", index.dump(2) + "\n");
}

const char* dtype_name(SafetensorsType type) {
  switch (type) {
    case SafetensorsType::F64:
      return "float64";
    case SafetensorsType::BF16:
      return "bfloat16";
    case SafetensorsType::F16:
      return "float16";
    default:
      return "float32";
  }
}

/// Fields of the configuration as the model has them.
ModelConfig published_model(const LoadedModel& loaded, HuggingFaceStyle style) {
  ModelConfig model = loaded.config.model;
  const ModelConfig& c = loaded.model->config();
  for (const MixerKind kind : c.kinds()) {
    KRAIT_CHECK(Usage, kind == MixerKind::Mamba1, "the model has a layer of the kind ",
                name_of(kind),
                ", which no published form has; only models of mamba1 layers can be exported.");
  }
  model.n_layer = c.layer_count();
  model.layers.clear();
  // transformers knows no padding: the vocabulary is the rows.
  model.vocab_size = style == HuggingFaceStyle::Transformers ? c.padded_vocab() : c.vocab_size;
  return model;
}

void write_generation_config(const fs::path& directory, const HuggingFaceConfigExtras& extras) {
  ordered_json generation{{"_from_model_config", true}};
  if (extras.bos) generation["bos_token_id"] = *extras.bos;
  if (extras.eos) generation["eos_token_id"] = *extras.eos;
  if (extras.eos) generation["pad_token_id"] = *extras.eos;
  write_file_atomic(directory / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace

void export_hugging_face(const LoadedModel& loaded, const fs::path& directory,
                         const HuggingFaceExport& options) {
  HuggingFaceConfigExtras extras{.dtype = dtype_name(options.type)};
  std::optional<TokenizerFiles> tokenizer;
  if (loaded.tokenizer != nullptr) {
    tokenizer = tokenizer_files(*loaded.tokenizer);
    const TokenizerEnds ends = tokenizer_ends(*loaded.tokenizer);
    extras.bos = ends.prefix_token ? ends.prefix_token : ends.end_of_document;
    extras.eos = ends.end_of_document;
  }
  const std::string config =
      hugging_face_config_json(published_model(loaded, options.style), options.style, extras);
  make_empty_directory(directory);
  if (tokenizer) {
    write_file_atomic(directory / "tokenizer.json", tokenizer->tokenizer_json);
    write_file_atomic(directory / "tokenizer_config.json", tokenizer->tokenizer_config_json);
  }
  write_generation_config(directory, extras);
  write_weights(directory, published_arrays(*loaded.model, options), options.max_shard_bytes);
  write_file_atomic(directory / "config.json", config);
}

}  // namespace krait
