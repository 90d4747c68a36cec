// A copy of what a checkpoint holds, in the memory of the host.
#pragma once
#include <memory>

#include "core/stream/stream.h"
#include "train/run/checkpoint.h"

namespace krait {

/// The tensors of a checkpoint as they were at one moment, whatever happens to them afterwards.
/// Movable.
class Snapshot {
 public:
  Snapshot(Snapshot&& other) noexcept = default;
  Snapshot& operator=(Snapshot&& other) = delete;
  /// Waits until the copies are done.
  ~Snapshot();

  /// Waits until the copies are done. The tensors are contiguous and on the CPU.
  const CheckpointTensors& tensors() const;

 private:
  friend Snapshot take_snapshot(const CheckpointTensors& tensors);
  explicit Snapshot(Device device) : copied_(std::make_unique<Event>(device)) {}

  CheckpointTensors tensors_;
  std::unique_ptr<Event> copied_;
};

/// Copies the tensors, which must be contiguous and on one device, as they will be when all work
/// submitted so far is done. From a GPU they go by its copy stream into pinned memory: the host
/// does not wait, and work submitted later to the compute stream begins after the copies. On the
/// CPU they are copied before the call returns.
///
/// Takes as much host memory as the tensors have bytes, until the snapshot goes; pinned memory
/// stays with the process and serves the next snapshot (see pinned_allocator()).
Snapshot take_snapshot(const CheckpointTensors& tensors);

}  // namespace krait
