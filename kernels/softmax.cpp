#include "kernels/softmax.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

/// Contiguous rows.
void require_rows(const Tensor& t, std::string_view op, std::string_view name) {
  require_like(t, op, name, t);
  KRAIT_REQUIRE(t.rank() >= 1 && t.size(-1) >= 1, "[", op, "] ", name,
                " must have shape (..., n), n >= 1, got ", t.shape(), ".");
}

}  // namespace

void softmax_forward(const SoftmaxForward& args, const ExecutionContext& ctx) {
  require_rows(args.x, "softmax_forward", "x");
  require_like(args.y, "softmax_forward", "y", args.x);
  KRAIT_DISPATCH(args.x.device(), softmax_forward, args, ctx);
}

void softmax_backward(const SoftmaxBackward& args, const ExecutionContext& ctx) {
  if (!args.dx.wanted()) return;
  require_rows(args.y, "softmax_backward", "y");
  require_like(args.dy, "softmax_backward", "dy", args.y);
  require_like(args.dx.tensor, "softmax_backward", "dx", args.y);
  KRAIT_DISPATCH(args.y.device(), softmax_backward, args, ctx);
}

}  // namespace krait
