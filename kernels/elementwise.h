// Unary functions and broadcast arithmetic, element by element.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// Softplus is log(1 + exp(x)), and x above 20 (as in the published models). Gelu is the exact one,
/// x Phi(x). Silu is x sigmoid(x).
enum class UnaryOp : std::uint8_t {
  Neg,
  Exp,
  Log,
  Sqrt,
  Square,
  Tanh,
  Sigmoid,
  Silu,
  Softplus,
  Gelu,
  Relu
};

/// y = op(x). Contiguous, one shape and dtype (CPU: f32 or f64; CUDA: f32, or bf16 computed in f32
/// and rounded once); y may be x.
struct UnaryForward {
  UnaryOp op = UnaryOp::Neg;
  Tensor x;  // in
  Tensor y;  // out
};
/// dx (+)= dy op'(x).
struct UnaryBackward {
  UnaryOp op = UnaryOp::Neg;
  Tensor x;   // in, as given to forward
  Tensor dy;  // in
  Gradient dx;
};

enum class BinaryOp : std::uint8_t { Add, Sub, Mul, Div };

/// y = a op b, a and b broadcast to y's shape (NumPy's rule; any strides), (+ y when
/// `accumulate`). y is contiguous; it may be a or b when that has y's shape. One dtype, as for
/// UnaryForward.
struct BinaryForward {
  BinaryOp op = BinaryOp::Add;
  Tensor a, b;  // in
  Tensor y;     // out
  bool accumulate = false;
};

void unary_forward(const UnaryForward& args, const ExecutionContext& ctx);
void unary_backward(const UnaryBackward& args, const ExecutionContext& ctx);
void binary_forward(const BinaryForward& args, const ExecutionContext& ctx);

namespace cpu {
void unary_forward(const UnaryForward& args, const ExecutionContext& ctx);
void unary_backward(const UnaryBackward& args, const ExecutionContext& ctx);
void binary_forward(const BinaryForward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void unary_forward(const UnaryForward& args, const ExecutionContext& ctx);
void unary_backward(const UnaryBackward& args, const ExecutionContext& ctx);
void binary_forward(const BinaryForward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
