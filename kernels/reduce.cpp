#include "kernels/reduce.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

void validate(const Reduce& r) {
  KRAIT_REQUIRE(r.x.defined() && r.y.defined(), "[reduce] x and y must be given.");
  require_contiguous(r.y, {"reduce", "y", r.y.shape(), r.x.dtype(), r.x.device()});
  const Shape &x = r.x.shape(), &y = r.y.shape();
  bool fits = y.rank() <= x.rank();
  for (int i = 1; fits && i <= y.rank(); ++i) fits = y[-i] == x[-i] || y[-i] == 1;
  KRAIT_REQUIRE(fits, "[reduce] the shape of y must broadcast to that of x ", x, ", got ", y, ".");
  if (r.op != ReduceOp::Max) return;
  KRAIT_REQUIRE(!r.accumulate, "[reduce] only Sum accumulates.");
  KRAIT_REQUIRE(x.numel() > 0 || y.numel() == 0,
                "[reduce] the maximum of an empty set: x has shape ", x, ", y ", y, ".");
}

}  // namespace

void reduce(const Reduce& args, const ExecutionContext& ctx) {
  validate(args);
  KRAIT_DISPATCH(args.x.device(), reduce, args, ctx);
}

void l2_norm(const L2Norm& args, const ExecutionContext& ctx) {
  const Tensor& x = args.x;
  require_contiguous(x, {"l2_norm", "x", x.shape(), x.dtype(), x.device()});
  require_contiguous(args.norm, {"l2_norm", "norm", {1}, x.dtype(), x.device()});
  KRAIT_DISPATCH(x.device(), l2_norm, args, ctx);
}

void clip_scale(const ClipScale& args, const ExecutionContext& ctx) {
  const Tensor& norm = args.norm;
  require_contiguous(norm, {"clip_scale", "norm", {1}, norm.dtype(), norm.device()});
  require_contiguous(args.scale, {"clip_scale", "scale", {1}, norm.dtype(), norm.device()});
  KRAIT_REQUIRE(args.max_norm >= 0, "[clip_scale] max_norm must be >= 0, got ", args.max_norm, ".");
  KRAIT_DISPATCH(norm.device(), clip_scale, args, ctx);
}

}  // namespace krait
