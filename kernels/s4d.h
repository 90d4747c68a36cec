// S4D: the diagonal state space that does not depend on its input, forward and fused backward.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// For every batch b and channel d on its own, with n modes:
///   a = exp(dt A),  K = C (a - 1) / A                       zero-order hold, with B = 1
///   h[t] = a h[t-1] + u[t],  h[-1] = initial_state or 0
///   y[t] = (sum_n K h[t] + D u[t]) silu(z[t])               real A: A_imag and C_imag not given
///   y[t] = (2 Re(sum_n K h[t]) + D u[t]) silu(z[t])         complex A, one of each conjugate pair
/// Where sequence_ids[t] differs from sequence_ids[t-1], h[t-1] counts as zero; the initial state
/// belongs to the sequence of position 0. Source: Gu et al. 2022, arXiv:2206.11893.
///
/// The input factor (a - 1) / A of the paper's recurrence is part of K here, since it is the same
/// at all positions: an update is cheaper by it, and the state is the paper's divided by it. a - 1
/// and K are worked out in f64 and hold their digits down to dt A = 0, where (a - 1) / A is dt. In
/// f32 the recurrence is h + ((a - 1) h + u): a itself, rounded to f32, would put the error of its
/// last digit into every step of a state that decays slowly (1e-4 of h at dt = 1e-4, instead of
/// 2e-6). With bf16 rows, whose own roundings are larger, it is a h + u.
///
/// Two dtypes: T of u, z, y (and their gradients), and S of parameters and states. f32 or f64,
/// alike, on the CPU; f32, or bf16 with S f32, on CUDA. Rows (b, l, d) are dense in the last
/// dimension, other strides are free; parameters and states are contiguous. l >= 1, n in 1..128. A
/// state is (b, d, n), of a complex A (b, d, n, 2): real and imaginary parts.
///
/// CUDA is parallel over batch, channels and, where those do not fill the GPU, time. Scratch: two
/// (four, if complex) values per mode, and with time cut in segments a state for each of them.
struct S4dForward {
  Tensor u;              // in  (b, l, d)
  Tensor dt;             // in  (d), > 0: after exp or softplus, which belong to the parametrisation
  Tensor A_real;         // in  (d, n), <= 0
  Tensor A_imag;         // in  (d, n), optional
  Tensor C_real;         // in  (d, n)
  Tensor C_imag;         // in  (d, n), if and only if A_imag is given
  Tensor D;              // in  (d), optional
  Tensor z;              // in  (b, l, d), optional
  Tensor initial_state;  // in  a state, optional
  Tensor sequence_ids;   // in  (b, l) i32, optional, contiguous
  Tensor y;              // out (b, l, d)
  Tensor final_state;    // out a state, optional: h[l - 1]
  Tensor chunk_states;   // out (b, ceil(l / chunk), d, n) or (.., n, 2), optional, contiguous: the
                         // state that enters each chunk, saved for backward; chunk = s4d_chunk()
};

/// Recomputes the states inside a chunk from chunk_states; without them the recurrence is run again
/// first to find them. Memory: scratch for the gradients of a and K, two values (four, if complex)
/// per mode, batch entry and segment of time, which are added up in a fixed order.
struct S4dBackward {
  S4dForward forward;   // chunk_states is read if given; y and final_state are not
  Tensor dy;            // in (b, l, d)
  Tensor dfinal_state;  // in a state, optional
  Gradient du, ddt, dA_real, dA_imag, dC_real, dC_imag, dD, dz, dinitial_state;
};

/// Positions per entry of chunk_states.
std::int64_t s4d_chunk(Device device);

/// Throws Error when a shape, dtype or device does not fit the contract above.
void s4d_forward(const S4dForward& args, const ExecutionContext& ctx);
void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx);

namespace cpu {
std::int64_t s4d_chunk();
void s4d_forward(const S4dForward& args, const ExecutionContext& ctx);
void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
std::int64_t s4d_chunk();
void s4d_forward(const S4dForward& args, const ExecutionContext& ctx);
void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
