#include "kernels/norm.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

/// A tensor of sums, or one that is combined with them.
void require(const Tensor& t, std::string_view op, std::string_view name, const Shape& shape,
             const Tensor& like) {
  require_contiguous(t, {op, name, shape, accumulate_dtype(like.dtype()), like.device()});
}

/// An activation: on CUDA it may be bf16 where sums are f32.
void require_activation(const Tensor& t, std::string_view op, std::string_view name,
                        const Shape& shape, const Tensor& like) {
  const bool narrow = like.device().is_cuda() && t.defined() && t.dtype() == DType::BF16;
  const DType dtype = narrow ? DType::BF16 : accumulate_dtype(like.dtype());
  require_contiguous(t, {op, name, shape, dtype, like.device()});
}

void validate(const NormForward& n) {
  constexpr std::string_view op = "norm_forward";
  const Tensor& x = n.x;
  require_like(x, op, "x", x);
  KRAIT_REQUIRE(x.rank() >= 1 && x.size(-1) >= 1, "[", op, "] x must have shape (..., d), d >= 1, ",
                "got ", x.shape(), ".");
  const Shape row{x.size(-1)}, rows{x.shape().rows()};
  require(n.weight, op, "weight", row, x);
  if (n.bias.defined()) require(n.bias, op, "bias", row, x);
  require_activation(n.y, op, "y", x.shape(), x);
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
  require_like(r, op, "r", r);
  KRAIT_REQUIRE(r.rank() >= 1 && r.size(-1) >= 1, "[", op, "] r must have shape (..., d), d >= 1, ",
                "got ", r.shape(), ".");
  const Shape row{r.size(-1)}, rows{r.shape().rows()};
  require(n.weight, op, "weight", row, r);
  if (n.kind == NormKind::Layer) require(n.mean, op, "mean", rows, r);
  require(n.inverse_std, op, "inverse_std", rows, r);
  require_activation(n.dy, op, "dy", r.shape(), r);
  if (n.dresidual_out.defined()) require(n.dresidual_out, op, "dresidual_out", r.shape(), r);
  if (n.dx.wanted()) require_activation(n.dx.tensor, op, "dx", r.shape(), r);
  if (n.dresidual.wanted()) require(n.dresidual.tensor, op, "dresidual", r.shape(), r);
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
