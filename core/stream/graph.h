// Device work that is recorded once and submitted again and again as one launch.
#pragma once
#include <functional>
#include <memory>

#include "core/memory/allocator.h"
#include "core/stream/context.h"

namespace krait {

/// Small models spend more time submitting kernels than computing them: as a graph, a step of a
/// thousand kernels is one call. The work reads its inputs from tensors that were there before and
/// writes its results into such, since replaying passes nothing in or out; what it allocates stays
/// reserved for it. Everything that the host decides (shapes, which kernels, numbers passed by
/// value) is decided while recording. It must not wait for the device or read from it.
///
/// On the CPU, and for an allocator in Exact mode, replay() calls the work again.
class Graph {
 public:
  /// Runs `work` on the current context (core/stream/context.h), which must be that of the calls to
  /// replay(), and records it: afterwards it has happened once. `work` must stay callable.
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
/// While work is submitted to `stream`: records it instead of running it.
void begin_recording(const Stream& stream);
/// Ends it and gives the graph; the second drops what was recorded, after an error.
void* end_recording(const Stream& stream);
void cancel_recording(const Stream& stream) noexcept;
void launch_graph(void* graph, const Stream& stream);
void destroy_graph(void* graph) noexcept;
}  // namespace cuda

}  // namespace krait
