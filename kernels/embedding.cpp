#include "kernels/embedding.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

Shape with_last(Shape shape, std::int64_t size) {
  shape.push_back(size);
  return shape;
}

void require_ids(const Tensor& ids, std::string_view op, Device device) {
  require_contiguous(ids, {op, "ids", ids.shape(), DType::I32, device});
}

/// Of two dtypes that an operation allows, the one that `t` has, or else the first.
DType either(const Tensor& t, DType first, DType second) {
  return t.defined() && t.dtype() == second ? second : first;
}

}  // namespace

void embedding_forward(const EmbeddingForward& args, const ExecutionContext& ctx) {
  constexpr std::string_view op = "embedding_forward";
  const Tensor& table = args.table;
  KRAIT_REQUIRE(table.rank() == 2, "[", op, "] table must have shape (v, d), got ", table.shape(),
                ".");
  const DType dtype = table.dtype();
  const Device device = table.device();
  require_contiguous(table, {op, "table", table.shape(), dtype, device});
  require_ids(args.ids, op, device);
  const Shape shape = with_last(args.ids.shape(), table.size(1));
  const DType y_dtype = either(args.y, dtype, accumulate_dtype(dtype));
  require_contiguous(args.y, {op, "y", shape, y_dtype, device});
  KRAIT_DISPATCH(device, embedding_forward, args, ctx);
}

void embedding_backward(const EmbeddingBackward& args, const ExecutionContext& ctx) {
  if (!args.dtable.wanted()) return;
  constexpr std::string_view op = "embedding_backward";
  const Tensor& table = args.dtable.tensor;
  KRAIT_REQUIRE(table.rank() == 2, "[", op, "] dtable must have shape (v, d), got ", table.shape(),
                ".");
  const DType dtype = table.dtype();
  const Device device = table.device();
  require_contiguous(table, {op, "dtable", table.shape(), dtype, device});
  require_ids(args.ids, op, device);
  const Shape shape = with_last(args.ids.shape(), table.size(1));
  const DType dy_dtype = device.is_cuda() ? either(args.dy, dtype, DType::BF16) : dtype;
  require_contiguous(args.dy, {op, "dy", shape, dy_dtype, device});
  KRAIT_DISPATCH(device, embedding_backward, args, ctx);
}

}  // namespace krait
