#include "kernels/linear_cross_entropy.h"

#include <algorithm>

#include "kernels/contract/dispatch.h"

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
  require_contiguous(a.logsumexp, {op, "logsumexp", rows, accumulate_dtype(x.dtype()), x.device()});
  KRAIT_REQUIRE(a.label_smoothing >= 0 && a.label_smoothing < 1, "[", op,
                "] label_smoothing must be in [0, 1), got ", a.label_smoothing, ".");
  KRAIT_REQUIRE(a.z_loss >= 0, "[", op, "] z_loss must be >= 0, got ", a.z_loss, ".");
  KRAIT_REQUIRE(a.chunk_rows >= 0, "[", op, "] chunk_rows must be >= 0, got ", a.chunk_rows, ".");
}

}  // namespace

cuda::CrossEntropyChunks cuda::cross_entropy_chunks(std::int64_t v, DType dtype,
                                                    std::int64_t chunk_rows) {
  // 256 MiB of logits are 1280 rows of 50,280: whole tiles, 15 of them for each of 132
  // multiprocessors, while the weight is read once for 1280 rows. 512 MiB of bf16 gradients of
  // logits are 5120 rows: 40 x 3 tiles of dx at d = 768, and k = 5120 for each pass over dweight.
  constexpr std::int64_t kLogits = (std::int64_t{256} << 20) / sizeof(float);
  constexpr std::int64_t kTile = 128;  // rows of c that a block of a product computes, at least
  const std::int64_t padded = (v + 63) / 64 * 64;  // kRowElements of cuda/linear_cross_entropy.cu
  const std::int64_t fitting = kLogits / padded / kTile * kTile;
  const std::int64_t rows = chunk_rows > 0 ? chunk_rows : std::max(kTile, fitting);
  return {.logits_rows = rows, .gradient_rows = rows * (dtype == DType::BF16 ? 4 : 2)};
}

void linear_cross_entropy_forward(const LinearCrossEntropyForward& args,
                                  const ExecutionContext& ctx) {
  constexpr std::string_view op = "linear_cross_entropy_forward";
  validate(args, op);
  const Tensor& x = args.x;
  const Shape rows{x.size(0)};
  require_contiguous(args.losses, {op, "losses", rows, accumulate_dtype(x.dtype()), x.device()});
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
  const DType sum = accumulate_dtype(x.dtype());
  require_contiguous(args.dlosses, {op, "dlosses", {x.size(0)}, sum, x.device()});
  if (args.dx.wanted()) {
    require_contiguous(args.dx.tensor, {op, "dx", x.shape(), x.dtype(), x.device()});
  }
  if (args.dweight.wanted()) {
    const Tensor& dweight = args.dweight.tensor;
    const DType dtype = dweight.dtype() == sum ? sum : x.dtype();
    require_contiguous(dweight, {op, "dweight", weight.shape(), dtype, x.device()});
  }
  if (!args.dx.wanted() && !args.dweight.wanted()) return;
  KRAIT_DISPATCH(x.device(), linear_cross_entropy_backward, args, ctx);
}

}  // namespace krait
