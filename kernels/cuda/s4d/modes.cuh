// What is done once per mode, in f64 (kernels/s4d/modes.h): before a walk its factors, between two
// walks the joining of segments, after a backward walk the gradients of the parameters.
#pragma once
#include <cstdint>

#include "core/stream/context.h"
#include "kernels/s4d.h"

namespace krait::cuda::s4d {

/// With f32 rows the recurrence takes a - 1 instead of a.
template <class T>
inline constexpr bool is_exact = sizeof(T) == 4;

/// decays: a - 1 if `exact`, else a; gains: K. Both (d, n, parts).
struct ModeFactors {
  float *decays, *gains;
  bool exact;
};
void find_factors(const S4dForward& args, const ModeFactors& to, const ExecutionContext& ctx);

/// What segments did to the states, (b, segments, d, n, parts): `values` as if nothing entered
/// them. A segment is `positions` long, except for the last.
struct SegmentStates {
  float* values;
  const int* resets;  // (b, all segments): whether the segment has one; the first joined is `first`
  std::int64_t segments, all_segments, first, positions;
  bool backward;  // the last segment comes first, and gradients are passed on
};
/// Makes the values the true ones; those of the segment that comes first are already.
void join_segments(const S4dForward& args, const SegmentStates& segments,
                   const ExecutionContext& ctx);

/// Partial sums of the gradients of a, K (runs, d, n, parts) and D (runs, d).
struct ModeSums {
  const float *ddecays, *dgains, *dD;
  std::int64_t runs;
};
/// Adds up the runs in order and writes the gradients of dt, A, C and D.
void put_parameter_gradients(const S4dBackward& args, const ModeSums& sums,
                             const ExecutionContext& ctx);

}  // namespace krait::cuda::s4d
