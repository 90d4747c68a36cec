// A run directory with a small random model in it, for tests of the commands that use one.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "layers/models/language_model.h"
#include "tests/support/temporary_directory.h"
#include "train/model/model_config.h"
#include "train/run/checkpoint.h"

namespace krait {

class SmallRun {
 public:
  SmallRun() {
    const Config config = parse_config(R"(
run: {directory: r}
model: {d_model: 12, n_layer: 1, d_state: 3, initializer_range: 0.3}
data: {train: t.h5, sequence_length: 16}
train: {steps: 1, batch_size: 1}
optimizer: {lr: 0.1}
)",
                                       "small_run.h");
    const LanguageModel model(model_config(config, ByteTokenizer().vocab_size()));
    model.initialise(1);
    CheckpointState state{.config_yaml = dump_yaml(config),
                          .tokenizer_identity = ByteTokenizer().identity().json(),
                          .vocab_size = ByteTokenizer().vocab_size()};
    state.position.step = 7;
    CheckpointTensors tensors;
    for (const Parameter& p : model.parameters()) {
      tensors.parameters.push_back({p.name, p.variable.value()});
    }
    save_checkpoint(directory_ / "run/checkpoints", state, tensors);
  }
  std::string path() const { return file("run"); }
  /// Of a file beside the run.
  std::string file(std::string_view name) const { return (directory_ / name).string(); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace krait
