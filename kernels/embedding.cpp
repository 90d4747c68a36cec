#include "kernels/embedding.h"

#include "kernels/dispatch.h"

namespace krait {
namespace {

Shape with_last(Shape shape, std::int64_t size) {
  shape.push_back(size);
  return shape;
}

void require_ids(const Tensor& ids, std::string_view op, Device device) {
  require_contiguous(ids, {op, "ids", ids.shape(), DType::I32, device});
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
  require_contiguous(args.y, {op, "y", shape, dtype, device});
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
  require_contiguous(args.dy, {op, "dy", shape, dtype, device});
  KRAIT_DISPATCH(device, embedding_backward, args, ctx);
}

}  // namespace krait
