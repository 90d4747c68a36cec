#include "core/context.h"

namespace krait {
namespace {
thread_local ExecutionContext context;
}  // namespace

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
