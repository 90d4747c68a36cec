#include "core/stream/context.h"

namespace krait {
namespace {
thread_local ExecutionContext context;
}  // namespace

ExecutionContext execution_context(Device device) {
  return {.device = device, .stream = device_stream(device)};
}

const ExecutionContext& current_context() {
  return context;
}

ContextScope::ContextScope(const ExecutionContext& next) : previous_(context) {
  context = next;
}
ContextScope::~ContextScope() {
  context = previous_;
}

}  // namespace krait
