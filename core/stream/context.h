// What kernels receive besides their arguments.
#pragma once
#include "core/device.h"
#include "core/stream/stream.h"

namespace krait {

/// Passed to every kernel: where it runs, and how exact its products are. There is no choice of the
/// order of sums: it is fixed, so that two runs give the same bits. Kernels take scratch memory
/// from core/stream/scratch.h.
struct ExecutionContext {
  Device device;
  Stream stream;      // of that device
  bool tf32 = false;  // CUDA: matrix products of f32 with 10 bits of mantissa
};

/// The context of a device with its compute stream; the other members have their defaults.
ExecutionContext execution_context(Device device);

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
