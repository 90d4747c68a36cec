// Checkpoints: directories that are complete or absent.
//
//   checkpoints/step_00001200/
//     manifest.json    format, step, build, and the size and SHA-256 of every other file
//     config.yaml      the resolved configuration
//     state.json       step, samples and tokens seen, best evaluation, data and tokenizer identity
//     tokenizer.json   the tokenizer's definition, where it has one
//     model.h5         parameters by their published names
//     optimizer.h5     groups m and v, the moments by the same names
//     ema.h5           averaged parameters, when the run keeps them
//
// A checkpoint is written into a temporary directory, synced file by file, and renamed; the
// manifest is checked before anything in it is used.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "core/tensor/named_tensor.h"

namespace krait {

/// The position of a run. The order of data, the schedule and the random numbers depend only on
/// this and the configuration.
struct TrainingPosition {
  std::int64_t step = 0;                                       // optimizer steps done
  std::uint64_t samples = 0;                                   // sequences drawn from the loader
  std::uint64_t tokens = 0;                                    // target tokens that counted
  double best_loss = std::numeric_limits<double>::infinity();  // lowest evaluation loss so far
  std::int64_t best_step = 0;                                  // and its step; 0: none yet
  std::string best_identity = {};  // of the evaluation that best_loss is from; empty: not recorded
};

/// What a checkpoint holds besides tensors.
struct CheckpointState {
  TrainingPosition position;
  std::string config_yaml;
  std::string data_identity;              // of the training set
  std::string tokenizer_identity;         // JSON, as the token set gives it
  std::string tokenizer_definition = {};  // see Tokenizer::definition
  std::int64_t vocab_size = 0;            // of the model, before padding
};

struct CheckpointTensors {
  std::vector<NamedTensor> parameters;
  std::vector<NamedTensor> first_moment, second_moment;
  std::vector<NamedTensor> average;  // empty without EMA
};

/// Writes `root`/step_NNNNNNNN and gives its path. An existing one is replaced. Throws Io (nothing
/// half-written stays; older checkpoints are untouched), also when the disk has too little room,
/// and MissingInput when the way to `root` is gone.
std::filesystem::path save_checkpoint(const std::filesystem::path& root,
                                      const CheckpointState& state,
                                      const CheckpointTensors& tensors);

/// What is wrong with a checkpoint; empty when every file is there with the recorded size and hash.
/// Never throws on bad contents.
std::vector<std::string> verify_checkpoint(const std::filesystem::path& checkpoint);

struct CheckpointInfo {
  std::filesystem::path path;
  std::int64_t step = 0;
};
/// The checkpoints in `root`, by step; temporary directories are not among them. Not verified.
std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& root);

/// The newest checkpoint in `root` that verifies. `skipped` receives, for each newer
/// one that does not, what is wrong with it.
std::optional<CheckpointInfo> newest_valid_checkpoint(const std::filesystem::path& root,
                                                      std::vector<std::string>* skipped = nullptr);

/// The checkpoint that `path` means: a checkpoint itself, or the newest valid one of a run or
/// checkpoints directory. Verified. Throws MissingInput or BadData.
std::filesystem::path resolve_checkpoint(const std::filesystem::path& path);

/// Reads a verified checkpoint's state. Throws BadData.
CheckpointState read_checkpoint_state(const std::filesystem::path& checkpoint);

/// Which weights to take.
enum class CheckpointWeights : std::uint8_t { Trained, Averaged };
template <>
inline constexpr std::array<std::string_view, 2> kNames<CheckpointWeights>{"trained", "averaged"};
/// Reads parameters into `tensors`, matched by name. Throws BadData when a name is missing or left
/// over, or a shape differs.
void read_checkpoint_parameters(const std::filesystem::path& checkpoint, CheckpointWeights weights,
                                const std::vector<NamedTensor>& tensors);
bool has_averaged_weights(const std::filesystem::path& checkpoint);
/// Reads everything that `tensors` lists.
void read_checkpoint_tensors(const std::filesystem::path& checkpoint,
                             const CheckpointTensors& tensors);

/// Removes temporary directories that a killed process left. Only with the run's lock held.
void remove_partial_checkpoints(const std::filesystem::path& root);
/// Removes all but the newest `keep_last` checkpoints and that of `keep_step`.
void prune_checkpoints(const std::filesystem::path& root, std::int64_t keep_last,
                       std::int64_t keep_step);

/// SHA-256 over names, shapes and values of the tensors.
std::string tensor_hash(const std::vector<NamedTensor>& tensors);

}  // namespace krait
