#include "kernels/norm.h"

#include "kernels/dispatch.h"

namespace krait {
namespace {

void require(const Tensor& t, std::string_view op, std::string_view name, const Shape& shape,
             const Tensor& like) {
  require_contiguous(t, {op, name, shape, like.dtype(), like.device()});
}

void validate(const NormForward& n) {
  constexpr std::string_view op = "norm_forward";
  const Tensor& x = n.x;
  require(x, op, "x", x.shape(), x);
  KRAIT_REQUIRE(x.rank() >= 1 && x.size(-1) >= 1, "[", op, "] x must have shape (..., d), d >= 1, ",
                "got ", x.shape(), ".");
  const Shape row{x.size(-1)}, rows{x.shape().rows()};
  require(n.weight, op, "weight", row, x);
  if (n.bias.defined()) require(n.bias, op, "bias", row, x);
  require(n.y, op, "y", x.shape(), x);
  KRAIT_REQUIRE(n.residual.defined() == n.residual_out.defined(), "[", op,
                "] residual and residual_out must be given together.");
  if (n.residual.defined()) {
    require(n.residual, op, "residual", x.shape(), x);
    require(n.residual_out, op, "residual_out", x.shape(), x);
  }
  if (n.kind == NormKind::Layer) require(n.mean, op, "mean", rows, x);
  require(n.inverse_std, op, "inverse_std", rows, x);
}

void validate(const NormBackward& n) {
  constexpr std::string_view op = "norm_backward";
  const Tensor& r = n.r;
  require(r, op, "r", r.shape(), r);
  KRAIT_REQUIRE(r.rank() >= 1 && r.size(-1) >= 1, "[", op, "] r must have shape (..., d), d >= 1, ",
                "got ", r.shape(), ".");
  const Shape row{r.size(-1)}, rows{r.shape().rows()};
  require(n.weight, op, "weight", row, r);
  if (n.kind == NormKind::Layer) require(n.mean, op, "mean", rows, r);
  require(n.inverse_std, op, "inverse_std", rows, r);
  require(n.dy, op, "dy", r.shape(), r);
  if (n.dresidual_out.defined()) require(n.dresidual_out, op, "dresidual_out", r.shape(), r);
  if (n.dx.wanted()) require(n.dx.tensor, op, "dx", r.shape(), r);
  if (n.dweight.wanted()) require(n.dweight.tensor, op, "dweight", row, r);
  if (n.dbias.wanted()) require(n.dbias.tensor, op, "dbias", row, r);
}

}  // namespace

void norm_forward(const NormForward& args, const ExecutionContext& ctx) {
  validate(args);
  KRAIT_DISPATCH(args.x.device(), norm_forward, args, ctx);
}

void norm_backward(const NormBackward& args, const ExecutionContext& ctx) {
  validate(args);
  KRAIT_DISPATCH(args.r.device(), norm_backward, args, ctx);
}

}  // namespace krait
