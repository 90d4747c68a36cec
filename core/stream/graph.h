// Device work that is recorded once and then submitted as one launch, any number of times.
#pragma once
#include <functional>
#include <memory>

#include "core/memory/allocator.h"
#include "core/stream/context.h"

namespace krait {

/// Small models spend more time submitting kernels than computing them: as a graph, a step of a
/// thousand kernels is one call. The work reads its inputs from tensors that exist before it is
/// recorded and writes its results into such tensors, since a replay takes no arguments and returns
/// nothing. The memory that it allocates stays reserved for it. Everything that the host decides
/// (shapes, which kernels, numbers passed by value) is fixed by the recording. It must not wait for
/// the device or read from it.
///
/// On the CPU, and for an allocator in Exact mode, replay() calls the work again.
class Graph {
 public:
  /// Runs `work` on the current context (core/stream/context.h), which must be the same at every
  /// replay(), and records it, so it has been done once when this returns. `work` must stay
  /// callable.
  explicit Graph(std::function<void()> work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Submits the work, in the order of the context's stream.
  void replay();

 private:
  std::function<void()> work_;
  ExecutionContext context_;
  std::unique_ptr<ReservedBlocks> blocks_;  // null where nothing is recorded
  void* handle_ = nullptr;
};

namespace cuda {
/// From here on, work submitted to `stream` is recorded instead of run.
void begin_recording(const Stream& stream);
/// Ends the recording: the first returns the graph, the second drops it after an error.
void* end_recording(const Stream& stream);
void cancel_recording(const Stream& stream) noexcept;
void launch_graph(void* graph, const Stream& stream);
void destroy_graph(void* graph) noexcept;
}  // namespace cuda

}  // namespace krait
