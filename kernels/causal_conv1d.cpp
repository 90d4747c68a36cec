#include "kernels/causal_conv1d.h"

#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

constexpr std::string_view kOp = "causal_conv1d";

Requirement like_x(const CausalConv1dForward& a, std::string_view name, const Shape& shape) {
  return {.op = kOp, .name = name, .shape = shape, .dtype = a.x.dtype(), .device = a.x.device()};
}

/// The same in the type that x is summed in.
Requirement parameter(const CausalConv1dForward& a, std::string_view name, const Shape& shape) {
  Requirement r = like_x(a, name, shape);
  r.dtype = accumulate_dtype(r.dtype);
  return r;
}

/// (b, w - 1, d)
Shape state_shape(const CausalConv1dForward& a) {
  return {a.x.size(0), a.weight.size(1) - 1, a.x.size(2)};
}

void validate_inputs(const CausalConv1dForward& a) {
  KRAIT_REQUIRE(a.x.defined() && a.x.rank() == 3, "[", kOp, "] x must have shape (b, l, d), got ",
                a.x.shape(), ".");
  KRAIT_REQUIRE(a.weight.defined() && a.weight.rank() == 2, "[", kOp,
                "] weight must have shape (d, w), got ", a.weight.shape(), ".");
  const DType other = a.x.device().is_cuda() ? DType::BF16 : DType::F64;
  KRAIT_REQUIRE(a.x.dtype() == DType::F32 || a.x.dtype() == other, "[", kOp, "] x must be f32 or ",
                other, ", got ", a.x.dtype(), " on ", a.x.device(), ".");
  const std::int64_t b = a.x.size(0), l = a.x.size(1), d = a.x.size(2), w = a.weight.size(1);
  KRAIT_REQUIRE(b >= 1 && l >= 1 && d >= 1, "[", kOp, "] x must have sizes >= 1, got shape ",
                a.x.shape(), ".");
  KRAIT_REQUIRE(w >= 1 && w <= 8, "[", kOp, "] weight must have a width of 1 to 8, got shape ",
                a.weight.shape(), ".");
  require_tensor(a.x, like_x(a, "x", {b, l, d}));
  require_contiguous(a.weight, parameter(a, "weight", {d, w}));
  require_optional_contiguous(a.bias, parameter(a, "bias", {d}));
  require_optional_contiguous(a.initial_state, like_x(a, "initial_state", state_shape(a)));
  Requirement ids = like_x(a, "sequence_ids", {b, l});
  ids.dtype = DType::I32;
  require_optional_contiguous(a.sequence_ids, ids);
}

}  // namespace

void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx) {
  validate_inputs(args);
  require_tensor(args.y, like_x(args, "y", args.x.shape()));
  require_optional_contiguous(args.final_state, like_x(args, "final_state", state_shape(args)));
  KRAIT_DISPATCH(args.x.device(), causal_conv1d_forward, args, ctx);
}

void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx) {
  const CausalConv1dForward& a = args.forward;
  validate_inputs(a);
  require_tensor(args.dy, like_x(a, "dy", a.x.shape()));
  require_optional_contiguous(args.dfinal_state, like_x(a, "dfinal_state", state_shape(a)));
  require_gradient(args.dx, kOp, "dx", a.x);
  require_contiguous_gradient(args.dweight, kOp, "dweight", a.weight);
  require_contiguous_gradient(args.dbias, kOp, "dbias", a.bias);
  require_contiguous_gradient(args.dinitial_state, kOp, "dinitial_state", a.initial_state);
  KRAIT_DISPATCH(a.x.device(), causal_conv1d_backward, args, ctx);
}

}  // namespace krait
