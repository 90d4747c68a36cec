// From the name of a unary function to its code, which each backend has of its own.
#pragma once
#include "kernels/elementwise.h"

namespace krait {

/// Calls f(Functions::Op{}) for the op: the member of Functions with the name of the enumerator. A
/// kernel can call it too, since nvcc takes constexpr functions for device code.
template <class Functions, class F>
constexpr void visit_unary(UnaryOp op, F&& f) {
  switch (op) {
    case UnaryOp::Neg:
      return f(typename Functions::Neg{});
    case UnaryOp::Exp:
      return f(typename Functions::Exp{});
    case UnaryOp::Log:
      return f(typename Functions::Log{});
    case UnaryOp::Sqrt:
      return f(typename Functions::Sqrt{});
    case UnaryOp::Square:
      return f(typename Functions::Square{});
    case UnaryOp::Tanh:
      return f(typename Functions::Tanh{});
    case UnaryOp::Sigmoid:
      return f(typename Functions::Sigmoid{});
    case UnaryOp::Silu:
      return f(typename Functions::Silu{});
    case UnaryOp::Softplus:
      return f(typename Functions::Softplus{});
    case UnaryOp::Gelu:
      return f(typename Functions::Gelu{});
    case UnaryOp::Relu:
      return f(typename Functions::Relu{});
  }
}

}  // namespace krait
