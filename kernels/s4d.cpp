#include "kernels/s4d.h"

#include "core/ceil_div.h"
#include "kernels/contract/dispatch.h"

namespace krait {
namespace {

constexpr std::string_view kOp = "s4d";
constexpr std::int64_t kMostModes = 128;

/// The shapes that follow from u and A, and what tensors of them have to look like.
class Contract {
 public:
  explicit Contract(const S4dForward& a) : a_(a) {
    KRAIT_REQUIRE(a.u.defined() && a.u.rank() == 3, "[", kOp, "] u must have shape (b, l, d), got ",
                  a.u.shape(), ".");
    KRAIT_REQUIRE(a.A_real.defined() && a.A_real.rank() == 2, "[", kOp,
                  "] A_real must have shape (d, n), got ", a.A_real.shape(), ".");
    const DType other = a.u.device().is_cuda() ? DType::BF16 : DType::F64;
    KRAIT_REQUIRE(a.u.dtype() == DType::F32 || a.u.dtype() == other, "[", kOp,
                  "] u must be f32 or ", other, ", got ", a.u.dtype(), ".");
    KRAIT_REQUIRE(a.u.numel() >= 1, "[", kOp, "] u must have sizes >= 1, got shape ", a.u.shape(),
                  ".");
    KRAIT_REQUIRE(a.A_real.size(1) >= 1 && a.A_real.size(1) <= kMostModes, "[", kOp,
                  "] A_real must have 1 to ", kMostModes, " modes, got shape ", a.A_real.shape(),
                  ".");
    KRAIT_REQUIRE(a.A_imag.defined() == a.C_imag.defined(), "[", kOp,
                  "] A_imag and C_imag go together: give both or neither.");
  }

  Shape rows() const { return a_.u.shape(); }
  Shape channels() const { return {a_.u.size(2)}; }
  Shape modes() const { return {a_.u.size(2), a_.A_real.size(1)}; }
  Shape states() const { return with_parts({a_.u.size(0), a_.u.size(2), a_.A_real.size(1)}); }
  Shape chunk_states() const {
    const std::int64_t chunks = ceil_div(a_.u.size(1), s4d_chunk(a_.u.device()));
    return with_parts({a_.u.size(0), chunks, a_.u.size(2), a_.A_real.size(1)});
  }

  /// Of the dtype of u, any strides.
  void require_rows(std::string_view name, const Tensor& t) const {
    require_tensor(t, requirement(name, rows(), a_.u.dtype()));
  }
  /// Of the dtype of parameters and states, contiguous.
  void require_parameter(std::string_view name, const Tensor& t, const Shape& shape) const {
    require_contiguous(t, requirement(name, shape, accumulate_dtype(a_.u.dtype())));
  }
  void optional_rows(std::string_view name, const Tensor& t) const {
    if (t.defined()) require_rows(name, t);
  }
  void optional_parameter(std::string_view name, const Tensor& t, const Shape& shape) const {
    if (t.defined()) require_parameter(name, t, shape);
  }
  void require_inputs() const {
    require_rows("u", a_.u);
    require_parameter("dt", a_.dt, channels());
    require_parameter("A_real", a_.A_real, modes());
    optional_parameter("A_imag", a_.A_imag, modes());
    require_parameter("C_real", a_.C_real, modes());
    optional_parameter("C_imag", a_.C_imag, modes());
    optional_parameter("D", a_.D, channels());
    optional_rows("z", a_.z);
    optional_parameter("initial_state", a_.initial_state, states());
    if (a_.sequence_ids.defined()) {
      require_contiguous(a_.sequence_ids,
                         requirement("sequence_ids", {a_.u.size(0), a_.u.size(1)}, DType::I32));
    }
    optional_parameter("chunk_states", a_.chunk_states, chunk_states());
  }

 private:
  Requirement requirement(std::string_view name, const Shape& shape, DType dtype) const {
    return {.op = kOp, .name = name, .shape = shape, .dtype = dtype, .device = a_.u.device()};
  }
  /// Complex numbers are stored as two.
  Shape with_parts(Shape shape) const {
    if (a_.A_imag.defined()) shape.push_back(2);
    return shape;
  }
  const S4dForward& a_;
};

}  // namespace

std::int64_t s4d_chunk(Device device) {
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) return cuda::s4d_chunk();
  }
  return cpu::s4d_chunk();
}

void s4d_forward(const S4dForward& args, const ExecutionContext& ctx) {
  const Contract contract(args);
  contract.require_inputs();
  contract.require_rows("y", args.y);
  contract.optional_parameter("final_state", args.final_state, contract.states());
  KRAIT_DISPATCH(args.u.device(), s4d_forward, args, ctx);
}

void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx) {
  const S4dForward& a = args.forward;
  const Contract contract(a);
  contract.require_inputs();
  contract.require_rows("dy", args.dy);
  contract.optional_parameter("dfinal_state", args.dfinal_state, contract.states());
  require_gradient(args.du, kOp, "du", a.u);
  require_contiguous_gradient(args.ddt, kOp, "ddt", a.dt);
  require_contiguous_gradient(args.dA_real, kOp, "dA_real", a.A_real);
  require_contiguous_gradient(args.dA_imag, kOp, "dA_imag", a.A_imag);
  require_contiguous_gradient(args.dC_real, kOp, "dC_real", a.C_real);
  require_contiguous_gradient(args.dC_imag, kOp, "dC_imag", a.C_imag);
  require_contiguous_gradient(args.dD, kOp, "dD", a.D);
  require_gradient(args.dz, kOp, "dz", a.z);
  require_contiguous_gradient(args.dinitial_state, kOp, "dinitial_state", a.initial_state);
  KRAIT_DISPATCH(a.u.device(), s4d_backward, args, ctx);
}

}  // namespace krait
