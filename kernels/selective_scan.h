// Selective scan: the recurrence at the heart of Mamba, forward and fused backward.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

///   dt[t] = delta[t] + delta_bias, then softplus (x beyond 20 is kept) when `delta_softplus`
///   h[t] = exp(dt[t] A) h[t-1] + dt[t] B[t] u[t],   h[-1] = initial_state or 0
///   y[t] = (sum_n C[t, n] h[t, n] + D u[t]) silu(z[t])
/// for every batch b and channel d on its own; channel c uses group c / (d / g) of B and C. Where
/// sequence_ids[t] differs from sequence_ids[t-1], h[t-1] counts as zero; the initial state belongs
/// to the sequence of position 0. Source: Gu & Dao 2023, arXiv:2312.00752, algorithm 2.
///
/// Two dtypes: T of u, delta, B, C, z, y (and their gradients), and S of A, D, delta_bias and the
/// states. f32 or f64, alike, on the CPU; f32, or bf16 with S f32, on CUDA. Dense in the last
/// dimension; A, D, delta_bias and states are contiguous; other strides are free, so slices of
/// projections can be read in place. l >= 1, n in 1..256.
///
/// CUDA is parallel over batch, channels and, where those do not fill the GPU, time: then scratch
/// of 8 d n bytes per batch entry and segment of the sequence. There are at most a few dozen
/// segments.
struct SelectiveScanForward {
  Tensor u;              // in  (b, l, d)
  Tensor delta;          // in  (b, l, d)
  Tensor A;              // in  (d, n), < 0
  Tensor B;              // in  (b, l, g, n), g divides d
  Tensor C;              // in  (b, l, g, n)
  Tensor D;              // in  (d), optional
  Tensor z;              // in  (b, l, d), optional
  Tensor delta_bias;     // in  (d), optional
  Tensor initial_state;  // in  (b, d, n), optional
  Tensor sequence_ids;   // in  (b, l) i32, optional, contiguous
  bool delta_softplus = true;
  Tensor y;             // out (b, l, d)
  Tensor final_state;   // out (b, d, n), optional: h[l - 1]
  Tensor chunk_states;  // out (b, ceil(l / chunk), d, n), optional, contiguous: the state that
                        // enters each chunk, saved for backward; chunk = selective_scan_chunk()
};

/// Recomputes the states inside a chunk from chunk_states; saves nothing else. Without chunk_states
/// the forward is run again to find them. Memory: on the CPU scratch of one chunk of states per
/// thread, plus partial sums of dB and dC, about half the size of u at most. On CUDA the partial
/// sums are 8 n ceil(d / 32) bytes per position: for n = 16 twice the bytes of u in bf16.
struct SelectiveScanBackward {
  SelectiveScanForward forward;  // chunk_states is read if given; y and final_state are not
  Tensor dy;                     // in (b, l, d)
  Tensor dfinal_state;           // in (b, d, n), optional
  Gradient du, ddelta, dA, dB, dC, dD, dz, ddelta_bias, dinitial_state;
};

/// Positions per entry of chunk_states.
std::int64_t selective_scan_chunk(Device device);

/// Throws Error when a shape, dtype or device does not fit the contract above.
void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx);
void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx);

namespace cpu {
std::int64_t selective_scan_chunk();
void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx);
void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx);
}  // namespace cpu
namespace cuda {
std::int64_t selective_scan_chunk();
void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx);
void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx);
}  // namespace cuda

}  // namespace krait
