#include "core/stream/graph.h"

#include <utility>

namespace krait {

Graph::Graph(std::function<void()> work) : work_(std::move(work)), context_(current_context()) {
  if constexpr (kCudaEnabled) {
    CachingAllocator& memory = allocator(context_.device);
    if (context_.device.is_cuda() && memory.mode() == AllocatorMode::Caching) {
      blocks_ = std::make_unique<ReservedBlocks>(memory);
      const ReservedBlocks::Scope scope(*blocks_);
      work_();  // makes what is made at first use, and leaves all blocks in the cache
      cuda::begin_recording(context_.stream);
      try {
        work_();
      } catch (...) {
        cuda::cancel_recording(context_.stream);
        throw;
      }
      handle_ = cuda::end_recording(context_.stream);
      return;
    }
  }
  work_();
}

Graph::~Graph() {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) cuda::destroy_graph(handle_);
  }
}

void Graph::replay() {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) return cuda::launch_graph(handle_, context_.stream);
  }
  work_();
}

}  // namespace krait
