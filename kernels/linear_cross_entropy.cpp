#include "kernels/linear_cross_entropy.h"

#include "kernels/dispatch.h"

namespace krait {
namespace {

/// Checks everything that forward and backward share.
void validate(const LinearCrossEntropyForward& a, std::string_view op) {
  const Tensor& x = a.x;
  KRAIT_REQUIRE(x.rank() == 2, "[", op, "] x must have shape (rows, d), got ", x.shape(), ".");
  KRAIT_REQUIRE(a.weight.rank() == 2 && a.weight.size(0) >= 1, "[", op,
                "] weight must have shape (v, d), v >= 1, got ", a.weight.shape(), ".");
  const Shape rows{x.size(0)};
  require_contiguous(x, {op, "x", x.shape(), x.dtype(), x.device()});
  require_contiguous(a.weight,
                     {op, "weight", {a.weight.size(0), x.size(1)}, x.dtype(), x.device()});
  require_contiguous(a.targets, {op, "targets", rows, DType::I32, x.device()});
  require_contiguous(a.logsumexp, {op, "logsumexp", rows, x.dtype(), x.device()});
  KRAIT_REQUIRE(a.label_smoothing >= 0 && a.label_smoothing < 1, "[", op,
                "] label_smoothing must be in [0, 1), got ", a.label_smoothing, ".");
  KRAIT_REQUIRE(a.z_loss >= 0, "[", op, "] z_loss must be >= 0, got ", a.z_loss, ".");
}

}  // namespace

void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx) {
  constexpr std::string_view op = "linear_cross_entropy_forward";
  validate(args, op);
  const Tensor& x = args.x;
  const Shape rows{x.size(0)};
  require_contiguous(args.losses, {op, "losses", rows, x.dtype(), x.device()});
  if (args.correct.defined()) {
    require_contiguous(args.correct, {op, "correct", rows, DType::U8, x.device()});
  }
  KRAIT_DISPATCH(x.device(), linear_cross_entropy_forward, args, ctx);
}

void linear_cross_entropy_backward(const LinearCrossEntropyBackward& args,
                                   const ExecutionContext& ctx) {
  constexpr std::string_view op = "linear_cross_entropy_backward";
  validate(args.forward, op);
  const Tensor &x = args.forward.x, &weight = args.forward.weight;
  const auto require = [&](const Tensor& t, std::string_view name, const Shape& shape) {
    require_contiguous(t, {op, name, shape, x.dtype(), x.device()});
  };
  require(args.dlosses, "dlosses", {x.size(0)});
  if (args.dx.wanted()) require(args.dx.tensor, "dx", x.shape());
  if (args.dweight.wanted()) require(args.dweight.tensor, "dweight", weight.shape());
  if (!args.dx.wanted() && !args.dweight.wanted()) return;
  KRAIT_DISPATCH(x.device(), linear_cross_entropy_backward, args, ctx);
}

}  // namespace krait
