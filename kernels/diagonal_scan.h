// The scan of a wide diagonal state space: one complex state per channel, forward and backward.
#pragma once
#include <cstdint>

#include "core/names.h"
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// How far a state turns at each position.
enum class DiagonalPhase : std::uint8_t {
  Scaled,  // by delta A_imag: time stretches decay and phase alike (S5; Mamba with a complex A)
  Fixed,   // by A_imag, whatever delta: selection of the decay alone. A phase that depends on the
           // input amplifies changes of it by |A_imag / A_real|, layer by layer
};
template <>
inline constexpr std::array<std::string_view, 2> kNames<DiagonalPhase>{"scaled", "fixed"};

/// For every batch entry and state p on its own, with complex h and x:
///   a[t] = exp(delta[t] A_real + i phase[t]),  phase[t] = delta[t] A_imag or A_imag
///   (DiagonalPhase) h[t] = a[t] h[t-1] + delta[t] x[t],  h[-1] = initial_state or 0
/// With `reverse` time runs from the last position to the first: read t + 1 for t - 1. Where
/// sequence_ids[t] differs from that of the position before it, h[t-1] counts as zero; the initial
/// state belongs to the sequence of the first position.
///
/// A row of x or h has the real parts of all p states, then the imaginary parts: what a matrix
/// product writes and reads (x = B u, y = C h). Source: Smith, Warrington & Linderman 2023, S5,
/// arXiv:2208.04933 (delta a parameter); Gu & Dao 2023, arXiv:2312.00752 (delta selected).
///
/// Two dtypes: T of x, h, a selected delta (and their gradients), and S of parameters and states.
/// f32 or f64, alike, on the CPU; f32, or bf16 with S f32, on CUDA. Rows are dense in the last
/// dimension, other strides are free; parameters and states are contiguous. The recurrence is
/// computed in S as h + ((a - 1) h + delta x): rounding a itself would put the error of its last
/// digit into every step of a state that decays slowly.
struct DiagonalScanForward {
  Tensor x;       // in  (b, l, 2 p)
  Tensor delta;   // in  (p) of S: fixed; or (b, l, p) of T: selected. Above 0
  Tensor A_real;  // in  (p), below 0
  Tensor A_imag;  // in  (p)
  DiagonalPhase phase = DiagonalPhase::Scaled;
  bool reverse = false;
  Tensor initial_state;  // in  (b, 2 p), optional
  Tensor sequence_ids;   // in  (b, l) i32, optional, contiguous
  Tensor h;              // out (b, l, 2 p)
  Tensor final_state;    // out (b, 2 p), optional
};

/// Reads x, h, delta and dh once. Scratch: three sums per state, batch entry and segment of time,
/// which are added up in a fixed order.
struct DiagonalScanBackward {
  DiagonalScanForward forward;  // with h; final_state is not read
  Tensor dh;                    // in (b, l, 2 p)
  Tensor dfinal_state;          // in (b, 2 p), optional
  Gradient dx, ddelta, dA_real, dA_imag, dinitial_state;
};

/// Throws Error when a shape, dtype or device does not fit the contract above.
void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext& ctx);
void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx);

namespace cpu {
void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext& ctx);
void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
void diagonal_scan_forward(const DiagonalScanForward& args, const ExecutionContext& ctx);
void diagonal_scan_backward(const DiagonalScanBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
