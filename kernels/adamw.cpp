#include "kernels/adamw.h"

#include "kernels/contract/dispatch.h"

namespace krait {

void adamw(const AdamW& args, const ExecutionContext& ctx) {
  const Tensor& p = args.param;
  KRAIT_REQUIRE(p.rank() == 1, "[adamw] param must have shape (n), got ", p.shape(), ".");
  const auto require = [&](const Tensor& t, std::string_view name, const Shape& shape) {
    require_contiguous(t, {"adamw", name, shape, p.dtype(), p.device()});
  };
  require(p, "param", p.shape());
  require(args.m, "m", p.shape());
  require(args.v, "v", p.shape());
  require(args.grad, "grad", p.shape());
  if (args.compute.defined()) {
    require_contiguous(args.compute, {"adamw", "compute", p.shape(), DType::BF16, p.device()});
  }
  require(args.learning_rate, "learning_rate", {1});
  require(args.grad_scale, "grad_scale", {1});
  require_contiguous(args.step, {"adamw", "step", {1}, DType::I64, p.device()});
  const auto is_decay = [](double beta) { return beta >= 0 && beta < 1; };
  KRAIT_REQUIRE(is_decay(args.beta1) && is_decay(args.beta2),
                "[adamw] beta1 and beta2 must be in [0, 1), got ", args.beta1, " and ", args.beta2,
                ".");
  KRAIT_DISPATCH(p.device(), adamw, args, ctx);
}

}  // namespace krait
