// What a kernel may use besides its arguments.
#pragma once
#include "core/device.h"

namespace krait {

/// An in-order queue of device work. On the CPU it is empty. Holds a cudaStream_t without
/// including CUDA headers, so that everything above kernels/ compiles without nvcc.
struct Stream {
  void* handle = nullptr;
};

/// Passed to every kernel. Kernels take scratch memory from core/scratch.h.
struct ExecutionContext {
  Device device;
  Stream stream;
  bool deterministic = true;  // sums in a fixed order; the only mode there is on the CPU
};

/// The context that layers and autograd operations use on this thread.
const ExecutionContext& current_context();

/// Makes `context` the current one of this thread until the scope ends.
class ContextScope {
 public:
  explicit ContextScope(const ExecutionContext& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  ExecutionContext previous_;
};

}  // namespace krait
