// Forward scan. One piece of work is some neighbouring tiles of channels of one batch entry over
// the whole length, or one tile over a segment of it when there are few: then a first pass finds
// the state that each segment leaves when it starts from zero, those are joined in order (a
// segment's decay is exp(A sum dt)), and a second pass runs all segments from their true states.
//
// Per chunk of a tile: softplus, dt u and the gate, vectors over channels; then for each block of
// states a walk through time with the states in registers, one exp2 per update. Scratch: about
// 60 kB per tile in work; with segments, (b, tiles, segments, n) states.
#include <vector>

#include "core/system/parallel.h"
#include "kernels/cpu/selective_scan/scan.h"

namespace krait::cpu {

namespace {

/// Advances N states of register v through a chunk and, if there is a y, adds C h to it.
template <class T, int N, bool kOutput>
void advance(const ScanChunk<T>& c, int v, std::int64_t n, const DecayRow<T>* decays,
             TileRow<T>* state, TileRow<T>* y) {
  Vec<T> h[N];
  Exponent<T> decay[N];
  for (int i = 0; i < N; ++i) {
    h[i] = state[n + i].v[v];
    decay[i] = decays[n + i].at(v);
  }
  const T *B = c.B + n, *C = c.C + n;
  for (int t = 0; t < c.count; ++t, B += c.B_stride, C += c.C_stride) {
    if (c.reset[t]) {
      for (int i = 0; i < N; ++i) h[i] = Vec<T>{};
    }
    const Vec<T> dt = c.dt[t].v[v], dtu = c.dtu[t].v[v];
    Vec<T> sum{};
    for (int i = 0; i < N; ++i) {
      h[i] = decay[i].power(dt) * h[i] + dtu * B[i];
      if constexpr (kOutput) sum += h[i] * C[i];
    }
    if constexpr (kOutput) y[t].v[v] += sum;
  }
  for (int i = 0; i < N; ++i) state[n + i].v[v] = h[i];
}

/// One tile that is walked through time.
template <class T>
class ForwardTile {
 public:
  ForwardTile(const ScanProblem<T>& p, const Rows<T>& y, std::int64_t b, std::int64_t index)
      : p_(p), y_rows_(y), b_(b), tile_(p.tile(index)) {
    load_states(p.A + tile_.channel * p.states, p.states, tile_.count, state_);
    find_decays(state_, p.states, decays_);
  }
  void start_from_zero() { std::fill_n(state_, p_.states, TileRow<T>{}); }
  void start_from(const TileRow<T>* state) { std::copy_n(state, p_.states, state_); }
  void start_from_initial_state() {
    if (!p_.initial_state) return start_from_zero();
    load_states(p_.initial_state + state_offset(b_), p_.states, tile_.count, state_);
  }
  void put_final_state(T* final_state) const {
    store_states(final_state + state_offset(b_), p_.states, tile_.count, state_);
  }
  /// sum[n] += exp(A elapsed) state[n]
  void add_decayed(const TileRow<T>* state, const TileRow<T>& elapsed, TileRow<T>* sum) const {
    for (std::int64_t n = 0; n < p_.states; ++n) {
      for (int v = 0; v < kTileVectors<T>; ++v) {
        sum[n].v[v] += decays_[n].at(v).power(elapsed.v[v]) * state[n].v[v];
      }
    }
  }
  const TileRow<T>* state() const { return state_; }
  const TileRow<T>& elapsed() const { return elapsed_; }  // sum of dt, by run<false>

  /// Runs [begin, end), with outputs (y, chunk_states) or for the last state alone.
  template <bool kOutput>
  void run(std::int64_t begin, std::int64_t end) {
    elapsed_ = TileRow<T>{};
    for (std::int64_t t = begin; t < end; t += kScanChunk) run_chunk<kOutput>(t, end);
  }
  /// The same for the chunk at `begin` alone.
  template <bool kOutput>
  void run_chunk(std::int64_t begin, std::int64_t end) {
    chunk_.read(p_, b_, tile_, begin, end);
    if constexpr (kOutput) {
      std::fill_n(sum_, chunk_.count, TileRow<T>{});
      if (p_.chunk_states) {
        T* place = p_.chunk_states + state_offset(b_ * p_.chunks() + begin / kScanChunk);
        store_states(place, p_.states, tile_.count, state_);
      }
    }
    for (int v = 0; v < kTileVectors<T>; ++v) {
      for_each_state_block<4>(p_.states, [&](std::int64_t n, auto block) {
        advance<T, block.value, kOutput>(chunk_, v, n, decays_, state_, sum_);
      });
    }
    if constexpr (kOutput) {
      put_outputs();
    } else {
      add_elapsed();
    }
  }

 private:
  std::int64_t state_offset(std::int64_t entry) const {
    return (entry * p_.channels + tile_.channel) * p_.states;
  }
  void add_elapsed() {
    for (int t = 0; t < chunk_.count; ++t) {
      for (int v = 0; v < kTileVectors<T>; ++v) elapsed_.v[v] += chunk_.dt[t].v[v];
    }
  }
  void put_outputs() {
    if (!y_rows_) return;
    const TileRow<T> D = load_row_or_zero(at_channel(p_.D, tile_), tile_.count);
    for (int t = 0; t < chunk_.count; ++t) {
      T* y_row = y_rows_.row(b_, chunk_.begin + t) + tile_.channel;
      const T* z_row = p_.z ? p_.z.row(b_, chunk_.begin + t) + tile_.channel : nullptr;
      for (int v = 0; v < kTileVectors<T>; ++v) {
        Vec<T> y = sum_[t].v[v] + D.v[v] * chunk_.u[t].v[v];
        if (z_row) {
          const Vec<T> z = load_part(z_row, v, tile_.count);
          y *= z * sigmoid<T>(z);
        }
        store_part(y_row, v, tile_.count, y);
      }
    }
  }

  const ScanProblem<T>& p_;
  const Rows<T>& y_rows_;
  const std::int64_t b_;
  const ScanTile tile_;
  TileRow<T> elapsed_;
  DecayRow<T> decays_[kMaxScanStates];
  TileRow<T> state_[kMaxScanStates];
  ScanChunk<T> chunk_;
  TileRow<T> sum_[kScanChunk];
};

/// Tiles of one batch entry that go through time together: rows are then read in longer pieces, and
/// B and C once for all. As many as leave work for every thread; results do not depend on it.
template <class T>
std::int64_t tiles_together(const ScanProblem<T>& p) {
  constexpr std::int64_t kMost = 8, kTasksPerThread = 4;
  if (p.length <= kScanChunk) return 1;
  const std::int64_t most = std::min(kMost, p.tiles());
  return std::clamp<std::int64_t>(p.batch * p.tiles() / (kTasksPerThread * thread_count()), 1,
                                  most);
}

/// Runs whole lengths.
template <class T>
void run_whole(const ScanProblem<T>& p, const Rows<T>& y, T* final_state) {
  const std::int64_t together = tiles_together(p);
  const std::int64_t pieces = (p.tiles() + together - 1) / together;
  const auto run_piece = [&](std::int64_t b, std::int64_t first) {
    std::vector<ForwardTile<T>> tiles;
    tiles.reserve(static_cast<std::size_t>(together));
    for (std::int64_t i = first; i < std::min(first + together, p.tiles()); ++i) {
      tiles.emplace_back(p, y, b, i).start_from_initial_state();
    }
    for (std::int64_t t = 0; t < p.length; t += kScanChunk) {
      for (ForwardTile<T>& tile : tiles) tile.template run_chunk<true>(t, p.length);
    }
    if (!final_state) return;
    for (const ForwardTile<T>& tile : tiles) tile.put_final_state(final_state);
  };
  const std::int64_t grain = task_grain(together * p.length * p.states * kTileChannels<T>);
  parallel_for(p.batch * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) run_piece(i / pieces, i % pieces * together);
  });
}

/// Runs segments of time, as the opening comment describes.
template <class T>
class SegmentedForward {
 public:
  SegmentedForward(const ScanProblem<T>& p, const Rows<T>& y, const TimeCut& cut,
                   const ExecutionContext& ctx)
      : p_(p),
        y_(y),
        cut_(cut),
        units_(p.batch * p.tiles()),
        entering_(units_ * cut.count * p.states, ctx),
        elapsed_(units_ * cut.count, ctx) {}

  void run(T* final_state) {
    parallel_for(units_ * (cut_.count - 1), 1, [&](std::int64_t i, std::int64_t) {
      first_pass(i / (cut_.count - 1), i % (cut_.count - 1));
    });
    parallel_for(units_, 1, [&](std::int64_t unit, std::int64_t) { join(unit); });
    parallel_for(units_ * (cut_.count - 1), 1, [&](std::int64_t i, std::int64_t) {
      second_pass(i / (cut_.count - 1), i % (cut_.count - 1) + 1, final_state);
    });
  }

 private:
  ForwardTile<T> tile(std::int64_t unit) const {
    return ForwardTile<T>(p_, y_, unit / p_.tiles(), unit % p_.tiles());
  }
  TileRow<T>* entering(std::int64_t unit, std::int64_t segment) const {
    return entering_.data() + (unit * cut_.count + segment) * p_.states;
  }
  std::int64_t begin(std::int64_t segment) const { return segment * cut_.length; }
  std::int64_t end(std::int64_t segment) const {
    return std::min(p_.length, begin(segment) + cut_.length);
  }

  /// Segment 0 starts from its true state and is done with; others run for their last states.
  void first_pass(std::int64_t unit, std::int64_t segment) const {
    ForwardTile<T> t = tile(unit);
    if (segment == 0) {
      t.start_from_initial_state();
      t.template run<true>(begin(0), end(0));
    } else {
      t.start_from_zero();
      t.template run<false>(begin(segment), end(segment));
    }
    std::copy_n(t.state(), p_.states, entering(unit, segment + 1));
    elapsed_[unit * cut_.count + segment + 1] = t.elapsed();
  }

  void join(std::int64_t unit) const {
    const ForwardTile<T> t = tile(unit);
    for (std::int64_t s = 1; s + 1 < cut_.count; ++s) {
      if (p_.resets_within(unit / p_.tiles(), begin(s), end(s))) continue;
      t.add_decayed(entering(unit, s), elapsed_[unit * cut_.count + s + 1], entering(unit, s + 1));
    }
  }

  void second_pass(std::int64_t unit, std::int64_t segment, T* final_state) const {
    ForwardTile<T> t = tile(unit);
    t.start_from(entering(unit, segment));
    t.template run<true>(begin(segment), end(segment));
    if (final_state && segment == cut_.count - 1) t.put_final_state(final_state);
  }

  const ScanProblem<T>& p_;
  const Rows<T>& y_;
  const TimeCut cut_;
  const std::int64_t units_;
  Scratch<TileRow<T>> entering_;  // state that enters a segment
  Scratch<TileRow<T>> elapsed_;   // sum of dt over the segment before
};

}  // namespace

std::int64_t selective_scan_chunk() {
  return kScanChunk;
}

void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx) {
  visit_float(args.u.dtype(), "selective_scan", [&](auto zero) {
    using T = decltype(zero);
    const ScanProblem<T> p(args);
    const Rows<T> y(args.y);
    T* final_state = args.final_state.defined() ? args.final_state.data<T>() : nullptr;
    const TimeCut cut = cut_time(p.batch * p.tiles(), p.length);
    if (cut.count == 1) {
      run_whole(p, y, final_state);
    } else {
      SegmentedForward<T>(p, y, cut, ctx).run(final_state);
    }
  });
}

}  // namespace krait::cpu
