#include "kernels/contract/dispatch.h"

namespace krait {

void require_tensor(const Tensor& t, const Requirement& r) {
  KRAIT_REQUIRE(t.defined(), "[", r.op, "] ", r.name, " must be given.");
  KRAIT_REQUIRE(t.shape() == r.shape, "[", r.op, "] ", r.name, " must have shape ", r.shape,
                ", got ", t.shape(), ".");
  KRAIT_REQUIRE(t.dtype() == r.dtype, "[", r.op, "] ", r.name, " must be ", r.dtype, ", got ",
                t.dtype(), ".");
  KRAIT_REQUIRE(t.device() == r.device, "[", r.op, "] ", r.name, " must be on ", r.device, ", got ",
                t.device(), ".");
  KRAIT_REQUIRE(t.rank() == 0 || t.size(-1) <= 1 || t.stride(-1) == 1, "[", r.op, "] ", r.name,
                " must be dense in its last dimension, got strides ", t.strides(), ".");
}

void require_optional(const Tensor& t, const Requirement& r) {
  if (t.defined()) require_tensor(t, r);
}

void require_contiguous(const Tensor& t, const Requirement& r) {
  require_tensor(t, r);
  KRAIT_REQUIRE(t.is_contiguous(), "[", r.op, "] ", r.name, " must be contiguous, got shape ",
                t.shape(), " strides ", t.strides(), ".");
}

void require_optional_contiguous(const Tensor& t, const Requirement& r) {
  if (t.defined()) require_contiguous(t, r);
}

void require_like(const Tensor& t, std::string_view op, std::string_view name, const Tensor& like) {
  require_contiguous(t, {op, name, like.shape(), like.dtype(), like.device()});
}

void require_gradient(const Gradient& gradient, std::string_view op, std::string_view name,
                      const Tensor& input) {
  if (!gradient.wanted()) return;
  KRAIT_REQUIRE(input.defined(), "[", op, "] ", name,
                " is wanted, but the input that it belongs to is not given.");
  require_tensor(gradient.tensor, {op, name, input.shape(), input.dtype(), input.device()});
}

void require_contiguous_gradient(const Gradient& gradient, std::string_view op,
                                 std::string_view name, const Tensor& input) {
  require_gradient(gradient, op, name, input);
  if (gradient.wanted()) require_like(gradient.tensor, op, name, input);
}

}  // namespace krait
