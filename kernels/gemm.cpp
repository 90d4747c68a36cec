#include "kernels/gemm.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

void validate(const Gemm& g) {
  KRAIT_REQUIRE(g.a.rank() == 2, "[gemm] a must have rank 2, got shape ", g.a.shape(), ".");
  KRAIT_REQUIRE(g.c.rank() == 2, "[gemm] c must have rank 2, got shape ", g.c.shape(), ".");
  const std::int64_t m = g.c.size(0), n = g.c.size(1), k = g.a.size(g.transpose_a ? 0 : 1);
  const DType dtype = g.a.dtype();
  const DType sum = g.c.dtype() == accumulate_dtype(dtype) ? g.c.dtype() : dtype;
  const Device device = g.c.device();
  require_tensor(g.a, {"gemm", "a", g.transpose_a ? Shape{k, m} : Shape{m, k}, dtype, device});
  require_tensor(g.b, {"gemm", "b", g.transpose_b ? Shape{n, k} : Shape{k, n}, dtype, device});
  require_tensor(g.c, {"gemm", "c", {m, n}, sum, device});
  KRAIT_REQUIRE(m <= 1 || g.c.stride(0) >= n, "[gemm] rows of c must not overlap, got shape ",
                g.c.shape(), " strides ", g.c.strides(), ".");
}

}  // namespace

void gemm(const Gemm& args, const ExecutionContext& ctx) {
  validate(args);
  KRAIT_DISPATCH(args.c.device(), gemm, args, ctx);
}

}  // namespace krait
