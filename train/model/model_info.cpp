#include "train/model/model_info.h"

#include <algorithm>

#include "core/system/file.h"
#include "data/hdf5/hdf5.h"
#include "layers/models/language_model.h"
#include "train/model/hugging_face/load.h"
#include "train/model/hugging_face/tokenizer.h"
#include "train/model/load_model.h"
#include "train/model/model_config.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

void set_tokenizer(ModelInfo& info, const Tokenizer& tokenizer) {
  info.tokenizer = tokenizer.identity().name;
  info.tokenizer_sha256 = tokenizer.identity().sha256;
  info.tokenizer_tokens = tokenizer.vocab_size();
}

ModelInfo published_info(const fs::path& directory) {
  ModelInfo info{.path = directory};
  const HuggingFaceConfig config = read_hugging_face_config(directory);
  info.form = name_of(config.style);
  info.model = config.model;
  const SafetensorsModel weights(directory);
  for (const SafetensorsArray& a : weights.arrays()) {
    info.arrays.push_back({a.name, a.shape, lower(name_of(a.type))});
  }
  const fs::path tokenizer = directory / "tokenizer.json";
  if (path_exists(tokenizer)) set_tokenizer(info, *load_hugging_face_tokenizer(tokenizer));
  return info;
}

ModelInfo checkpoint_info(const fs::path& path) {
  ModelInfo info{.path = resolve_checkpoint(path), .form = "checkpoint"};
  const CheckpointState state = read_checkpoint_state(info.path);
  info.step = state.position.step;
  info.model = parse_config(state.config_yaml, (info.path / "config.yaml").string()).model;
  info.model.vocab_size = state.vocab_size;
  const Hdf5File file = Hdf5File::open(info.path / "model.h5");
  for (const std::string& name : file.datasets()) {
    const Hdf5DatasetInfo array = file.info(name);
    info.arrays.push_back({name, array.shape, std::string(name_of(array.type))});
  }
  set_tokenizer(info, *checkpoint_tokenizer(info.path, state));
  return info;
}

}  // namespace

std::vector<ModelArray> parameter_shapes(const Config& config, std::int64_t vocab_size) {
  const ShapesOnlyScope no_memory;
  const LanguageModel model(model_config(config, vocab_size));
  std::vector<ModelArray> arrays;
  for (const Parameter& p : model.parameters()) {
    arrays.push_back({p.name, p.shape(), std::string(name_of(p.dtype()))});
  }
  return arrays;
}

ModelInfo model_info(const fs::path& path) {
  ModelInfo info = is_hugging_face_directory(path) ? published_info(path) : checkpoint_info(path);
  for (const ModelArray& a : info.arrays) info.parameters += a.shape.numel();
  return info;
}

}  // namespace krait
