#include "kernels/dropout.h"

#include "kernels/contract/dispatch.h"

namespace krait {

void dropout(const DropoutForward& args, const ExecutionContext& ctx) {
  const Tensor& x = args.x;
  require_contiguous(x, {"dropout", "x", x.shape(), x.dtype(), x.device()});
  require_contiguous(args.y, {"dropout", "y", x.shape(), x.dtype(), x.device()});
  if (args.pass.defined()) {
    require_contiguous(args.pass, {"dropout", "pass", {1}, DType::I64, x.device()});
  }
  KRAIT_REQUIRE(args.p >= 0 && args.p < 1, "[dropout] p must be in [0, 1), got ", args.p, ".");
  KRAIT_DISPATCH(x.device(), dropout, args, ctx);
}

}  // namespace krait
