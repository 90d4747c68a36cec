#include <vector>

#include "core/system/file.h"
#include "train/model/hugging_face/load.h"
#include "train/run/run_directory.h"

namespace krait {

std::filesystem::path import_hugging_face(const std::filesystem::path& directory,
                                          const std::filesystem::path& run,
                                          const std::filesystem::path& tokenizer) {
  LoadedModel loaded = load_hugging_face(
      directory, {.precision = Precision::F32, .tokenizer = tokenizer, .needs_tokenizer = false});
  Config& config = loaded.config;
  if (loaded.tokenizer == nullptr) {
    loaded.tokenizer = std::make_unique<NumberTokenizer>(config.model.vocab_size);
  }
  // What a configuration must say about training, which nobody knows of this model.
  config.run.directory = run.string();
  config.data.train = "none";
  config.train.steps = config.train.batch_size = 1;
  config.optimizer.lr = 1e-4;

  CheckpointState state{.config_yaml = dump_yaml(config),
                        .tokenizer_identity = loaded.tokenizer->identity().json(),
                        .tokenizer_definition = std::string(loaded.tokenizer->definition()),
                        .vocab_size = config.model.vocab_size};
  CheckpointTensors tensors;
  for (const Parameter& p : loaded.model->parameters()) {
    tensors.parameters.push_back({p.name, p.variable.value()});
  }
  make_empty_directory(run);
  const std::filesystem::path checkpoint = save_checkpoint(run / "checkpoints", state, tensors);
  write_file_atomic(run / "config.yaml", state.config_yaml);
  return checkpoint;
}

}  // namespace krait
