// What the two directions of S4D on the CPU share.
//
// The lanes of a register are channels, so the recurrence needs no shuffles. A slice is some
// neighbouring tiles of 16 f32 or 8 f64 channels of one batch entry that go through time together,
// in chunks of kS4dChunk positions, so that rows are read in longer pieces. In a chunk, a few modes
// at a time are walked with their states in registers. The parts of a mode (real, imaginary) are
// rows of their own: a tile has rows() of them, part `p` of mode `n` in row n * kParts + p.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"
#include "kernels/cpu/vector/rows.h"
#include "kernels/cpu/vector/tile_row.h"
#include "kernels/s4d.h"
#include "kernels/s4d/modes.h"

namespace krait::cpu {

inline constexpr std::int64_t kS4dChunk = 32;  // the states of a block fit the L1 cache
inline constexpr std::int64_t kMostS4dRows = 256;

/// Parameter (channel, n) as the formulas of modes.h want it.
template <class T>
modes::Mode mode_of(const S4dForward& a, std::int64_t channel, std::int64_t n) {
  const std::int64_t i = channel * a.A_real.size(1) + n;
  const auto value = [i](const Tensor& t) { return t.defined() ? double{t.data<T>()[i]} : 0.0; };
  return {.dt = a.dt.data<T>()[channel],
          .A = {value(a.A_real), value(a.A_imag)},
          .C = {value(a.C_real), value(a.C_imag)},
          .weight = a.A_imag.defined() ? 2.0 : 1.0};
}

/// Calls f(channel, n, i) for all modes, i being the number of each.
template <class F>
void for_each_mode(const S4dForward& a, F&& f) {
  const std::int64_t modes = a.A_real.size(1);
  parallel_for(a.u.size(2), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) {
      for (std::int64_t n = 0; n < modes; ++n) f(channel, n, channel * modes + n);
    }
  });
}

template <class T>
struct S4dTile {
  std::int64_t channel = 0;
  int count = 0;  // of channels
  T* of(T* over_channels) const { return over_channels ? over_channels + channel : nullptr; }
};

/// The arguments as sizes and pointers, and a - 1 and K of every mode.
template <class T, bool kIsComplex>
struct S4dProblem {
  static constexpr bool kComplex = kIsComplex;
  using Number = std::conditional_t<kComplex, modes::Complex<Vec<T>>, modes::Real<Vec<T>>>;
  static constexpr int kParts = Number::kParts;

  std::int64_t batch, length, channels, modes;
  Rows<T> u, z;
  const T *D, *initial_state;
  T* chunk_states;
  const std::int32_t* sequence_ids;
  Scratch<T> decays, gains;  // (d, n, parts)

  S4dProblem(const S4dForward& a, const ExecutionContext& ctx);
  std::int64_t rows() const { return modes * kParts; }
  std::int64_t chunks() const { return ceil_div(length, kS4dChunk); }
  std::int64_t tiles() const { return (channels + kTileChannels<T> - 1) / kTileChannels<T>; }
  S4dTile<T> tile(std::int64_t index) const {
    const std::int64_t first = index * kTileChannels<T>;
    return {first, static_cast<int>(std::min<std::int64_t>(kTileChannels<T>, channels - first))};
  }
  /// Whether the state is forgotten before position t.
  bool resets(std::int64_t b, std::int64_t t) const {
    return sequence_ids && t > 0 &&
           sequence_ids[b * length + t] != sequence_ids[b * length + t - 1];
  }
  /// Where a tile begins in an array (count, d, n, parts).
  std::int64_t state_offset(std::int64_t index, const S4dTile<T>& tile) const {
    return (index * channels + tile.channel) * rows();
  }

  /// Mode n of register v, from a tile's rows, and back.
  static Number number(const TileRow<T>* from, std::int64_t n, int v) {
    if constexpr (kComplex) {
      return {from[2 * n].v[v], from[2 * n + 1].v[v]};
    } else {
      return {from[n].v[v]};
    }
  }
  static void put_number(const Number& x, TileRow<T>* to, std::int64_t n, int v) {
    to[n * kParts].v[v] = x.re;
    if constexpr (kComplex) to[2 * n + 1].v[v] = x.im;
  }
};

template <class T>
T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

template <class T, bool kIsComplex>
S4dProblem<T, kIsComplex>::S4dProblem(const S4dForward& a, const ExecutionContext& ctx)
    : batch(a.u.size(0)),
      length(a.u.size(1)),
      channels(a.u.size(2)),
      modes(a.A_real.size(1)),
      u(a.u),
      z(a.z),
      D(data_or_null<T>(a.D)),
      initial_state(data_or_null<T>(a.initial_state)),
      chunk_states(data_or_null<T>(a.chunk_states)),
      sequence_ids(data_or_null<std::int32_t>(a.sequence_ids)),
      decays(channels * rows(), ctx),
      gains(channels * rows(), ctx) {
  for_each_mode(a, [&](std::int64_t channel, std::int64_t n, std::int64_t i) {
    const modes::Mode mode = mode_of<T>(a, channel, n);
    const modes::Parameter decay = mode.decay_minus_one(), gain = mode.gain(decay);
    decays[i * kParts] = static_cast<T>(decay.re);
    gains[i * kParts] = static_cast<T>(gain.re);
    if constexpr (kComplex) {
      decays[2 * i + 1] = static_cast<T>(decay.im);
      gains[2 * i + 1] = static_cast<T>(gain.im);
    }
  });
}

/// Tiles that go through time together: as many as leave work for every thread. Results do not
/// depend on it.
template <class Problem>
std::int64_t tiles_together(const Problem& p) {
  constexpr std::int64_t kMost = 8, kTasksPerThread = 4;
  return std::clamp<std::int64_t>(p.batch * p.tiles() / (kTasksPerThread * thread_count()), 1,
                                  std::min(kMost, p.tiles()));
}

/// Calls f(b, first tile, tiles) for the slices of all batch entries, on all threads.
template <class Problem, class F>
void for_each_slice(const Problem& p, F&& f) {
  const std::int64_t together = tiles_together(p), slices = ceil_div(p.tiles(), together);
  parallel_for(p.batch * slices, 1, [&](std::int64_t i, std::int64_t) {
    const std::int64_t first = i % slices * together;
    f(i / slices, first, std::min(together, p.tiles() - first));
  });
}

/// A chunk of a tile.
template <class T>
struct S4dChunk {
  std::int64_t begin = 0;  // position
  int count = 0;           // of positions
  bool reset[kS4dChunk];
  TileRow<T> u[kS4dChunk];

  template <class Problem>
  void read(const Problem& p, std::int64_t b, const S4dTile<T>& tile, std::int64_t first) {
    begin = first;
    count = static_cast<int>(std::min(kS4dChunk, p.length - first));
    for (int t = 0; t < count; ++t) {
      reset[t] = p.resets(b, first + t);
      const T* row = p.u.row(b, first + t) + tile.channel;
      for (int v = 0; v < kTileVectors<T>; ++v) u[t].v[v] = load_part(row, v, tile.count);
    }
  }
};

/// Calls f(first, integral_constant count) for blocks of modes, then for single ones. A block has
/// eight registers of states, so that additions and products do not wait for each other.
template <class Problem, class F>
void for_each_block(const Problem& p, F&& f) {
  constexpr int kBlock = 8 / Problem::kParts;
  std::int64_t n = 0;
  for (; n + kBlock <= p.modes; n += kBlock) f(n, std::integral_constant<int, kBlock>{});
  for (; n < p.modes; ++n) f(n, std::integral_constant<int, 1>{});
}

/// Calls f(problem) for the dtype and kind of A of the arguments.
template <class F>
void visit_s4d(const S4dForward& a, const ExecutionContext& ctx, F&& f) {
  visit_float(a.u.dtype(), "s4d", [&](auto zero) {
    using T = decltype(zero);
    if (a.A_imag.defined()) {
      f(S4dProblem<T, true>(a, ctx));
    } else {
      f(S4dProblem<T, false>(a, ctx));
    }
  });
}

}  // namespace krait::cpu
