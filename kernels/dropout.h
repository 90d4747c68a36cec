// Dropout with counter-based random numbers.
#pragma once
#include "core/random.h"
#include "core/stream/context.h"
#include "kernels/contract/gradient.h"

namespace krait {

/// One forward pass of a model may use 2^40 counters for its masks, each for 4 elements.
inline constexpr int kDropoutPassBits = 40;

/// y[i] = x[i] / (1 - p) where word i % 4 of random.bits(start + i / 4), as a uniform number in
/// [0, 1), is >= p; else 0. start = offset + pass * 2^kDropoutPassBits: `offset` is fixed when a
/// step is recorded, `pass` is read from the device, so a replayed step draws new masks. The mask
/// is a function of (random, start, i): nothing is saved, and backward is the same call on dy, on
/// any device. Contiguous, alike in dtype (CPU: f32 or f64; CUDA: f32 or bf16); y may be x.
struct DropoutForward {
  Tensor x;      // in
  Tensor y;      // out
  double p = 0;  // in [0, 1)
  RandomStream random;
  std::uint64_t offset = 0;
  Tensor pass = {};         // in (1) i64, on x's device, optional: 0
  bool accumulate = false;  // y += ...
};
void dropout(const DropoutForward& args, const ExecutionContext& ctx);

namespace cpu {
void dropout(const DropoutForward& args, const ExecutionContext& ctx);
}
namespace cuda {
void dropout(const DropoutForward& args, const ExecutionContext& ctx);
}

}  // namespace krait
