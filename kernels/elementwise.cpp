#include "kernels/elementwise.h"

#include "kernels/contract/dispatch.h"

namespace krait {
void unary_forward(const UnaryForward& args, const ExecutionContext& ctx) {
  require_like(args.x, "unary_forward", "x", args.x);
  require_like(args.y, "unary_forward", "y", args.x);
  KRAIT_DISPATCH(args.x.device(), unary_forward, args, ctx);
}

void unary_backward(const UnaryBackward& args, const ExecutionContext& ctx) {
  if (!args.dx.wanted()) return;
  require_like(args.x, "unary_backward", "x", args.x);
  require_like(args.dy, "unary_backward", "dy", args.x);
  require_like(args.dx.tensor, "unary_backward", "dx", args.x);
  KRAIT_DISPATCH(args.x.device(), unary_backward, args, ctx);
}

void binary_forward(const BinaryForward& args, const ExecutionContext& ctx) {
  const Tensor &a = args.a, &b = args.b;
  KRAIT_REQUIRE(a.defined() && b.defined(), "[binary_forward] a and b must be given.");
  KRAIT_REQUIRE(a.dtype() == b.dtype() && a.device() == b.device(), "[binary_forward] b must be ",
                a.dtype(), " on ", a.device(), " like a, got ", b.dtype(), " on ", b.device(), ".");
  const Shape shape = broadcast_shape(a.shape(), b.shape(), "binary_forward");
  require_contiguous(args.y, {"binary_forward", "y", shape, a.dtype(), a.device()});
  KRAIT_DISPATCH(args.y.device(), binary_forward, args, ctx);
}

}  // namespace krait
