// What the two directions of the CPU scan share: how the work is cut, and how a chunk is read.
//
// Channels are cut into tiles of one cache line (16 f32 or 8 f64) that lie in one group of B and
// C; the lanes of a register are channels of a tile, so the recurrence needs no shuffles. Time is
// cut into chunks of kScanChunk positions, for which everything that does not depend on n (dt,
// dt u, gates) is computed once. Within a chunk the states are walked in blocks of a few n that
// stay in registers. Lanes beyond the last channel of a tile hold zeros, which stay zeros.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "kernels/cpu/vector/rows.h"
#include "kernels/cpu/vector/tile_row.h"
#include "kernels/cpu/vector/vector_math.h"
#include "kernels/selective_scan.h"

namespace krait::cpu {

inline constexpr std::int64_t kScanChunk = 32;  // two 4-state blocks of a chunk fit the L1 cache
inline constexpr std::int64_t kMaxScanStates = 256;

/// Channels [channel, channel + count) of group `group`.
struct ScanTile {
  std::int64_t channel = 0, group = 0;
  int count = 0;
};

/// A tile's part of an array over channels, null where there is none.
template <class T>
inline T* at_channel(T* p, const ScanTile& tile) {
  return p ? p + tile.channel : nullptr;
}

/// The arguments of a scan as sizes and pointers.
template <class T>
struct ScanProblem {
  std::int64_t batch, length, channels, states, groups, tiles_per_group;
  Rows<T> u, delta, z, B, C;
  std::int64_t B_group_stride, C_group_stride;
  const T *A, *D, *delta_bias, *initial_state;
  T* chunk_states;
  const std::int32_t* sequence_ids;
  bool delta_softplus;

  explicit ScanProblem(const SelectiveScanForward& a);
  std::int64_t tiles() const { return groups * tiles_per_group; }
  std::int64_t chunks() const { return ceil_div(length, kScanChunk); }
  ScanTile tile(std::int64_t index) const {
    const std::int64_t per_group = channels / groups, group = index / tiles_per_group;
    const std::int64_t first = index % tiles_per_group * kTileChannels<T>;
    return {.channel = group * per_group + first,
            .group = group,
            .count = static_cast<int>(std::min<std::int64_t>(kTileChannels<T>, per_group - first))};
  }
  /// Whether the state is forgotten before position t.
  bool resets(std::int64_t b, std::int64_t t) const {
    return sequence_ids && t > 0 &&
           sequence_ids[b * length + t] != sequence_ids[b * length + t - 1];
  }
  /// Whether it is forgotten anywhere in [begin, end).
  bool resets_within(std::int64_t b, std::int64_t begin, std::int64_t end) const {
    for (std::int64_t t = begin; sequence_ids && t < end; ++t) {
      if (resets(b, t)) return true;
    }
    return false;
  }
};

template <class T>
ScanProblem<T>::ScanProblem(const SelectiveScanForward& a)
    : batch(a.u.size(0)),
      length(a.u.size(1)),
      channels(a.u.size(2)),
      states(a.A.size(1)),
      groups(a.B.size(2)),
      tiles_per_group((channels / groups + kTileChannels<T> - 1) / kTileChannels<T>),
      u(a.u),
      delta(a.delta),
      z(a.z),
      B(a.B),
      C(a.C),
      B_group_stride(a.B.stride(2)),
      C_group_stride(a.C.stride(2)),
      A(a.A.data<T>()),
      D(a.D.defined() ? a.D.data<T>() : nullptr),
      delta_bias(a.delta_bias.defined() ? a.delta_bias.data<T>() : nullptr),
      initial_state(a.initial_state.defined() ? a.initial_state.data<T>() : nullptr),
      chunk_states(a.chunk_states.defined() ? a.chunk_states.data<T>() : nullptr),
      sequence_ids(a.sequence_ids.defined() ? a.sequence_ids.data<std::int32_t>() : nullptr),
      delta_softplus(a.delta_softplus) {}

/// What a chunk of a tile needs for its recurrence.
template <class T>
struct ScanChunk {
  std::int64_t begin = 0;              // position
  int count = 0;                       // of positions
  const T *B = nullptr, *C = nullptr;  // rows of the first position
  std::int64_t B_stride = 0, C_stride = 0;
  bool reset[kScanChunk];
  TileRow<T> x[kScanChunk];  // delta + bias
  TileRow<T> u[kScanChunk], dt[kScanChunk], dtu[kScanChunk];

  void read(const ScanProblem<T>& p, std::int64_t b, const ScanTile& tile, std::int64_t first,
            std::int64_t last);
};

template <class T>
void ScanChunk<T>::read(const ScanProblem<T>& p, std::int64_t b, const ScanTile& tile,
                        std::int64_t first, std::int64_t last) {
  begin = first;
  count = static_cast<int>(std::min(kScanChunk, last - first));
  B = p.B.row(b, first) + tile.group * p.B_group_stride;
  C = p.C.row(b, first) + tile.group * p.C_group_stride;
  B_stride = p.B.time_stride;
  C_stride = p.C.time_stride;
  const TileRow<T> bias = load_row_or_zero(at_channel(p.delta_bias, tile), tile.count);
  for (int t = 0; t < count; ++t) {
    reset[t] = p.resets(b, first + t);
    const T* u_row = p.u.row(b, first + t) + tile.channel;
    const T* delta_row = p.delta.row(b, first + t) + tile.channel;
    for (int v = 0; v < kTileVectors<T>; ++v) {
      const Vec<T> delta = load_part(delta_row, v, tile.count) + bias.v[v];
      x[t].v[v] = delta;
      u[t].v[v] = load_part(u_row, v, tile.count);
      dt[t].v[v] = p.delta_softplus ? softplus<T>(delta) : delta;
      dtu[t].v[v] = dt[t].v[v] * u[t].v[v];
    }
  }
}

/// A of one n for the channels of a tile: exp(dt A) = at(v).power(dt).
template <class T>
struct DecayRow {
  TileRow<T> high, low;
  Exponent<T> at(int v) const { return {high.v[v], low.v[v]}; }
};

/// `A`: the tile's rows[n] of A.
template <class T>
inline void find_decays(const TileRow<T>* A, std::int64_t states, DecayRow<T>* decays) {
  using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
  for (std::int64_t n = 0; n < states; ++n) {
    for (int v = 0; v < kTileVectors<T>; ++v) {
      for (int i = 0; i < kLanes<T>; ++i) {
        const Wide exact = static_cast<Wide>(A[n].v[v][i]) * static_cast<Wide>(kLog2E);
        decays[n].high.v[v][i] = static_cast<T>(exact);
        decays[n].low.v[v][i] = static_cast<T>(exact - static_cast<T>(exact));
      }
    }
  }
}

/// Time cut into `count` segments of `length` positions (the last may be shorter).
struct TimeCut {
  std::int64_t count = 1, length = 0;
};

/// How to cut `length` positions when there are `units` independent pieces of work. Cutting makes
/// more pieces but nearly doubles the arithmetic, so it is for few channels and long sequences. It
/// depends on shapes only, and so do the results.
inline TimeCut cut_time(std::int64_t units, std::int64_t length) {
  constexpr std::int64_t kEnoughUnits = 8, kMinimumSegment = 512, kSegments = 16;
  const std::int64_t segments = std::min(kSegments, length / kMinimumSegment);
  if (units >= kEnoughUnits || segments < 4) return {.count = 1, .length = length};
  const std::int64_t even = ceil_div(length, segments);
  const std::int64_t chunks = ceil_div(even, kScanChunk);
  const std::int64_t positions = chunks * kScanChunk;
  return {.count = ceil_div(length, positions), .length = positions};
}

/// Pieces of work per thread task: enough to be worth starting a task (about 10 us).
inline std::int64_t task_grain(std::int64_t updates_per_piece) {
  constexpr std::int64_t kUpdatesPerTask = 1 << 14;
  return std::max<std::int64_t>(1, kUpdatesPerTask / std::max<std::int64_t>(1, updates_per_piece));
}

/// Calls f(first, integral_constant count) for blocks of kBlock states, then for single ones.
template <int kBlock, class F>
inline void for_each_state_block(std::int64_t states, F&& f) {
  std::int64_t n = 0;
  for (; n + kBlock <= states; n += kBlock) f(n, std::integral_constant<int, kBlock>{});
  for (; n < states; ++n) f(n, std::integral_constant<int, 1>{});
}

}  // namespace krait::cpu
