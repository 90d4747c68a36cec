// The backward walk of a slice of channel tiles; see kernels/cpu/selective_scan/backward.cpp for
// the whole.
#pragma once
#include "kernels/cpu/selective_scan/scan.h"

namespace krait::cpu {

/// Gradients shaped (b, l, d).
template <class T>
struct GradientRows {
  Rows<T> rows;
  bool accumulate = false;

  GradientRows() = default;
  explicit GradientRows(const Gradient& g) : accumulate(g.accumulates()) {
    if (g.wanted()) rows = Rows<T>(g.tensor);
  }
  /// Writes register v of a row.
  void put(std::int64_t b, std::int64_t t, const ScanTile& tile, int v, const Vec<T>& value) const {
    if (!rows) return;
    T* place = rows.row(b, t) + tile.channel;
    store_part(place, v, tile.count, accumulate ? value + load_part(place, v, tile.count) : value);
  }
};

/// What is the same for every piece of a backward scan. Partial sums have one entry per piece that
/// adds to them: B and C per slice, the others per (batch, segment).
template <class T>
struct BackwardProblem {
  ScanProblem<T> scan;
  Rows<T> dy;
  const T* dfinal_state = nullptr;
  GradientRows<T> du, ddelta, dz;
  std::int64_t slices = 1;  // per group
  TimeCut cut;
  T *dB = nullptr, *dC = nullptr;           // (slices, b, l, g, n)
  T* dA = nullptr;                          // (b, segments, d, n)
  T *dD = nullptr, *ddelta_bias = nullptr;  // (b, segments, d)
  T* dinitial_state = nullptr;              // (b, d, n), always given

  std::int64_t units() const { return scan.batch * scan.groups * slices; }
  std::int64_t begin(std::int64_t segment) const { return segment * cut.length; }
  std::int64_t end(std::int64_t segment) const {
    return std::min(scan.length, begin(segment) + cut.length);
  }
};

/// Some tiles of one group of one batch entry, walked backward through a segment together, chunk
/// by chunk, so that their contributions to dB and dC are added up in registers and cache.
template <class T>
class BackwardSlice {
 public:
  BackwardSlice(const BackwardProblem<T>& problem, std::int64_t unit, const ExecutionContext& ctx);

  /// Gradients of the states that a segment leaves: rows[tile][n].
  TileRow<T>* carry() const { return carry_.data(); }
  std::int64_t carry_size() const { return tiles_ * p_.states; }
  void carry_dfinal_state();
  void carry_zero() { std::fill_n(carry(), carry_size(), TileRow<T>{}); }
  std::int64_t batch() const { return b_; }

  /// Walks a segment and writes every gradient.
  void run(std::int64_t segment);
  /// Walks it for the carry alone.
  void run_carry(std::int64_t segment);
  /// sum[tile][n] += exp(A sum of dt in the segment) leaving[tile][n]; after run_carry.
  void add_decayed(const TileRow<T>* leaving, const TileRow<T>* elapsed, TileRow<T>* sum) const;
  const TileRow<T>* elapsed() const { return elapsed_.data(); }
  std::int64_t tiles() const { return tiles_; }

 private:
  void read_chunk(std::int64_t tile, std::int64_t begin, std::int64_t end);
  void walk_tile(std::int64_t tile, std::int64_t begin, std::int64_t end);
  void put_rows(std::int64_t tile);
  void put_group_sums(std::int64_t begin, std::int64_t end);
  void put_tile_sums(std::int64_t segment);
  template <int N>
  void walk_block(std::int64_t tile, int v, std::int64_t n);
  template <int N>
  void carry_block(std::int64_t tile, int v, std::int64_t n);

  ScanTile tile(std::int64_t i) const { return p_.tile(first_tile_ + i); }

  const BackwardProblem<T>& problem_;
  const ScanProblem<T>& p_;
  std::int64_t b_, group_, slice_, first_tile_, tiles_;
  Scratch<TileRow<T>> A_, carry_, dA_;              // [tile][n]
  Scratch<DecayRow<T>> decays_;                     // [tile][n]
  Scratch<TileRow<T>> dD_, ddelta_bias_, elapsed_;  // [tile]
  Scratch<Vec<T>> dB_, dC_;                         // [t][n], lanes not yet summed
  TileRow<T> state_[kMaxScanStates];                // entering the chunk
  ScanChunk<T> chunk_;
  TileRow<T> dy_[kScanChunk];                      // before the gate
  TileRow<T> dz_by_y_[kScanChunk];                 // dz / (sum_n C h + D u)
  TileRow<T> y_[kScanChunk];                       // sum_n C h
  TileRow<T> ddt_[kScanChunk], ddtu_[kScanChunk];  // gradients of dt (by decay), dt u
};

}  // namespace krait::cpu
