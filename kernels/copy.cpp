#include "kernels/copy.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

bool is_float(DType t) {
  return t == DType::F32 || t == DType::F64 || t == DType::BF16;
}

void validate(const Copy& c) {
  KRAIT_REQUIRE(c.x.defined() && c.y.defined(), "[copy] x and y must be given.");
  KRAIT_REQUIRE(c.x.shape() == c.y.shape(), "[copy] y must have the shape of x ", c.x.shape(),
                ", got ", c.y.shape(), ".");
  KRAIT_REQUIRE(c.x.device() == c.y.device(), "[copy] y must be on ", c.x.device(), " like x, got ",
                c.y.device(), ".");
  if (is_float(c.x.dtype()) && is_float(c.y.dtype())) return;
  KRAIT_REQUIRE(c.x.dtype() == c.y.dtype(), "[copy] cannot convert ", c.x.dtype(), " to ",
                c.y.dtype(), ".");
  KRAIT_REQUIRE(c.scale == 1 && !c.accumulate, "[copy] ", c.x.dtype(),
                " is copied as it is: scale must be 1 and accumulate off.");
}

}  // namespace

void copy(const Copy& args, const ExecutionContext& ctx) {
  validate(args);
  KRAIT_DISPATCH(args.y.device(), copy, args, ctx);
}

void fill(const Fill& args, const ExecutionContext& ctx) {
  KRAIT_REQUIRE(args.y.defined(), "[fill] y must be given.");
  KRAIT_REQUIRE(
      is_float(args.y.dtype()) || args.y.dtype() == DType::I32 || args.y.dtype() == DType::I64,
      "[fill] dtype must be f32, f64, bf16, i32 or i64, got ", args.y.dtype(), ".");
  KRAIT_DISPATCH(args.y.device(), fill, args, ctx);
}

}  // namespace krait
