#include "kernels/selective_scan.h"

#include "core/ceil_div.h"
#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

constexpr std::string_view kOp = "selective_scan";

void require_rank(std::string_view name, const Tensor& t, int rank, std::string_view form) {
  KRAIT_REQUIRE(t.defined(), "[", kOp, "] ", name, " must be given.");
  KRAIT_REQUIRE(t.rank() == rank, "[", kOp, "] ", name, " must have shape ", form, ", got ",
                t.shape(), ".");
}

/// A requirement with u's dtype and device, and one with the dtype of parameters and states.
Requirement like_u(const SelectiveScanForward& a, std::string_view name, const Shape& shape) {
  return {.op = kOp, .name = name, .shape = shape, .dtype = a.u.dtype(), .device = a.u.device()};
}
Requirement like_A(const SelectiveScanForward& a, std::string_view name, const Shape& shape) {
  Requirement r = like_u(a, name, shape);
  r.dtype = accumulate_dtype(r.dtype);
  return r;
}

/// Sizes first, so that the shapes of the others follow from u, A and B.
void validate_inputs(const SelectiveScanForward& a) {
  require_rank("u", a.u, 3, "(b, l, d)");
  require_rank("A", a.A, 2, "(d, n)");
  require_rank("B", a.B, 4, "(b, l, g, n)");
  const DType other = a.u.device().is_cuda() ? DType::BF16 : DType::F64;
  KRAIT_REQUIRE(a.u.dtype() == DType::F32 || a.u.dtype() == other, "[", kOp, "] u must be f32 or ",
                other, ", got ", a.u.dtype(), ".");
  const std::int64_t b = a.u.size(0), l = a.u.size(1), d = a.u.size(2);
  const std::int64_t n = a.A.size(1), g = a.B.size(2);
  KRAIT_REQUIRE(b >= 1 && l >= 1 && d >= 1, "[", kOp, "] u must have sizes >= 1, got shape ",
                a.u.shape(), ".");
  KRAIT_REQUIRE(n >= 1 && n <= 256, "[", kOp, "] A must have 1 to 256 states, got shape ",
                a.A.shape(), ".");
  KRAIT_REQUIRE(g >= 1 && d % g == 0, "[", kOp, "] the groups of B must divide the channels, got ",
                g, " groups and ", d, " channels.");
  const Shape rows{b, l, d}, group_rows{b, l, g, n}, states{b, d, n};
  require_tensor(a.u, like_u(a, "u", rows));
  require_tensor(a.delta, like_u(a, "delta", rows));
  require_contiguous(a.A, like_A(a, "A", {d, n}));
  require_tensor(a.B, like_u(a, "B", group_rows));
  require_tensor(a.C, like_u(a, "C", group_rows));
  require_optional_contiguous(a.D, like_A(a, "D", {d}));
  require_optional(a.z, like_u(a, "z", rows));
  require_optional_contiguous(a.delta_bias, like_A(a, "delta_bias", {d}));
  require_optional_contiguous(a.initial_state, like_A(a, "initial_state", states));
  Requirement ids = like_u(a, "sequence_ids", {b, l});
  ids.dtype = DType::I32;
  require_optional_contiguous(a.sequence_ids, ids);
  const std::int64_t chunk = selective_scan_chunk(a.u.device());
  require_optional_contiguous(a.chunk_states,
                              like_A(a, "chunk_states", {b, ceil_div(l, chunk), d, n}));
}

}  // namespace

std::int64_t selective_scan_chunk(Device device) {
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) return cuda::selective_scan_chunk();
  }
  return cpu::selective_scan_chunk();
}

void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx) {
  validate_inputs(args);
  require_tensor(args.y, like_u(args, "y", args.u.shape()));
  require_optional_contiguous(
      args.final_state,
      like_A(args, "final_state", {args.u.size(0), args.u.size(2), args.A.size(1)}));
  KRAIT_DISPATCH(args.u.device(), selective_scan_forward, args, ctx);
}

void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx) {
  const SelectiveScanForward& a = args.forward;
  validate_inputs(a);
  require_tensor(args.dy, like_u(a, "dy", a.u.shape()));
  require_optional_contiguous(args.dfinal_state,
                              like_A(a, "dfinal_state", {a.u.size(0), a.u.size(2), a.A.size(1)}));
  require_gradient(args.du, kOp, "du", a.u);
  require_gradient(args.ddelta, kOp, "ddelta", a.delta);
  require_contiguous_gradient(args.dA, kOp, "dA", a.A);
  require_gradient(args.dB, kOp, "dB", a.B);
  require_gradient(args.dC, kOp, "dC", a.C);
  require_contiguous_gradient(args.dD, kOp, "dD", a.D);
  require_gradient(args.dz, kOp, "dz", a.z);
  require_contiguous_gradient(args.ddelta_bias, kOp, "ddelta_bias", a.delta_bias);
  require_contiguous_gradient(args.dinitial_state, kOp, "dinitial_state", a.initial_state);
  KRAIT_DISPATCH(a.u.device(), selective_scan_backward, args, ctx);
}

}  // namespace krait
