// Checkpoints that are written while training goes on.
#pragma once
#include <filesystem>
#include <functional>
#include <future>
#include <optional>

#include "train/run/checkpoint.h"
#include "train/run/snapshot.h"

namespace krait {

/// Saves one checkpoint at a time on a thread of its own. A caller does, after each step at which
/// one is due,
///
///   writer.finish();  // two snapshots would need the memory of both
///   writer.start(state, take_snapshot(tensors), then);
///
/// and finish() once more at the end of the run. Not for several threads at once.
class CheckpointWriter {
 public:
  /// Checkpoints go to `root`/step_NNNNNNNN.
  explicit CheckpointWriter(std::filesystem::path root) : root_(std::move(root)) {}
  /// Waits for the save that is under way, and drops its failure: call finish() first.
  ~CheckpointWriter() = default;
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// What is to follow on the writer's thread once a checkpoint is in its place, such as pruning
  /// older ones. Its failure counts as one of the save.
  using Then = std::function<void(const std::filesystem::path& checkpoint)>;

  /// Calls finish(), so that there never are two unfinished checkpoints; then begins to save this
  /// one and returns. Throws what finish() throws, without beginning, and Io when the system gives
  /// no thread.
  void start(CheckpointState state, Snapshot snapshot, Then then = {});

  /// Waits for the save that is under way, if any. Throws its failure (see save_checkpoint), once;
  /// the writer can be used again afterwards. Returns the newest checkpoint that this writer has
  /// saved.
  std::optional<std::filesystem::path> finish();

 private:
  std::filesystem::path root_;
  std::optional<std::filesystem::path> newest_;
  std::future<std::filesystem::path> saving_;  // of std::async: its destructor waits
};

}  // namespace krait
