#include "kernels/diagonal_scan.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

constexpr std::string_view kOp = "diagonal_scan";

/// A requirement with x's dtype and device, and one with the dtype of parameters and states.
Requirement like_x(const DiagonalScanForward& a, std::string_view name, const Shape& shape) {
  return {.op = kOp, .name = name, .shape = shape, .dtype = a.x.dtype(), .device = a.x.device()};
}
Requirement like_A(const DiagonalScanForward& a, std::string_view name, const Shape& shape) {
  Requirement r = like_x(a, name, shape);
  r.dtype = accumulate_dtype(r.dtype);
  return r;
}

void validate_inputs(const DiagonalScanForward& a) {
  KRAIT_REQUIRE(a.x.defined() && a.x.rank() == 3 && a.x.size(2) % 2 == 0, "[", kOp,
                "] x must have shape (b, l, 2 p), got ", a.x.shape(), ".");
  const DType other = a.x.device().is_cuda() ? DType::BF16 : DType::F64;
  KRAIT_REQUIRE(a.x.dtype() == DType::F32 || a.x.dtype() == other, "[", kOp, "] x must be f32 or ",
                other, ", got ", a.x.dtype(), ".");
  const std::int64_t b = a.x.size(0), l = a.x.size(1), p = a.x.size(2) / 2;
  KRAIT_REQUIRE(b >= 1 && l >= 1 && p >= 1, "[", kOp, "] x must have sizes >= 1, got shape ",
                a.x.shape(), ".");
  require_tensor(a.x, like_x(a, "x", {b, l, 2 * p}));
  require_contiguous(a.A_real, like_A(a, "A_real", {p}));
  require_contiguous(a.A_imag, like_A(a, "A_imag", {p}));
  KRAIT_REQUIRE(a.delta.defined() && (a.delta.rank() == 1 || a.delta.rank() == 3), "[", kOp,
                "] delta must have shape (p) or (b, l, p), got ", a.delta.shape(), ".");
  if (a.delta.rank() == 1) {
    require_contiguous(a.delta, like_A(a, "delta", {p}));
  } else {
    require_tensor(a.delta, like_x(a, "delta", {b, l, p}));
  }
  require_optional_contiguous(a.initial_state, like_A(a, "initial_state", {b, 2 * p}));
  Requirement ids = like_x(a, "sequence_ids", {b, l});
  ids.dtype = DType::I32;
  require_optional_contiguous(a.sequence_ids, ids);
  require_tensor(a.h, like_x(a, "h", a.x.shape()));
}

}  // namespace

void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext& ctx) {
  validate_inputs(args);
  require_optional_contiguous(args.final_state,
                              like_A(args, "final_state", {args.x.size(0), args.x.size(2)}));
  KRAIT_DISPATCH(args.x.device(), diagonal_scan_forward, args, ctx);
}

void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx) {
  const DiagonalScanForward& a = args.forward;
  validate_inputs(a);
  require_tensor(args.dh, like_x(a, "dh", a.x.shape()));
  require_optional_contiguous(args.dfinal_state,
                              like_A(a, "dfinal_state", {a.x.size(0), a.x.size(2)}));
  require_gradient(args.dx, kOp, "dx", a.x);
  const bool per_position = a.delta.rank() == 3;
  (per_position ? require_gradient : require_contiguous_gradient)(args.ddelta, kOp, "ddelta",
                                                                  a.delta);
  require_contiguous_gradient(args.dA_real, kOp, "dA_real", a.A_real);
  require_contiguous_gradient(args.dA_imag, kOp, "dA_imag", a.A_imag);
  require_contiguous_gradient(args.dinitial_state, kOp, "dinitial_state", a.initial_state);
  KRAIT_DISPATCH(a.x.device(), diagonal_scan_backward, args, ctx);
}

}  // namespace krait
