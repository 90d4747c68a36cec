#include "train/run/checkpoint_writer.h"

#include <cstdint>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace krait {

void CheckpointWriter::start(CheckpointState state, Snapshot snapshot, Then then) {
  finish();
  const std::int64_t step = state.position.step;
  auto save = [root = root_, state = std::move(state), snapshot = std::move(snapshot),
               then = std::move(then)]() mutable {
    // The memory goes when this save is done, not when finish() is called.
    const Snapshot own = std::move(snapshot);
    std::filesystem::path path = save_checkpoint(root, state, own.tensors());
    if (then) then(path);
    return path;
  };
  try {
    saving_ = std::async(std::launch::async, std::move(save));
  } catch (const std::system_error& e) {
    throw Error(ErrorKind::Io,
                str("cannot start a thread to save the checkpoint of step ", step, ": ", e.what(),
                    "; raise the limit of processes (ulimit -u) and start again."));
  }
}

std::optional<std::filesystem::path> CheckpointWriter::finish() {
  if (saving_.valid()) newest_ = saving_.get();
  return newest_;
}

}  // namespace krait
