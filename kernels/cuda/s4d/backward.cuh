// What a block of the backward of S4D does. See backward.cu.
#pragma once
#include "kernels/cuda/s4d/walk.cuh"

namespace krait::cuda::s4d {

/// Where a gradient of rows goes; null when it is not wanted.
template <class T>
struct Output {
  Rows<T> rows;
  bool accumulates = false;
};

template <class T>
struct BackwardArguments {
  WalkArguments walk;
  Rows<const T> u, z, dy;
  Output<T> du, dz;
  const float *chunk_states, *dfinal_state;
  float* dstate;  // gradient of the state before position 0, or null
  bool dstate_accumulates;
  float* segment_dstates;           // (b, segments - 1, d, n, parts): of segments 1, 2, ...
  float *ddecay_sums, *dgain_sums;  // (b, segments, d, n, parts)
  float* dD_sums;                   // (b, segments, d)
};

template <class Traits>
struct BackwardTiles {
  static constexpr int kSub = 8;  // positions whose states are in registers
  static constexpr int kSubs = Traits::kTile / kSub;
  alignas(16) float u[Traits::kTile * Traits::kRow];   // then s = sum_n K h + D u
  alignas(16) float ds[Traits::kTile * Traits::kRow];  // then du
  // states that enter the sub-blocks but the first
  alignas(16) float4 entering[kSubs - 1][Traits::kParts][Traits::kThreads];
};

/// kFirst: the first of two walks over a long sequence.
template <class Traits, bool kFirst>
class BackwardBlock {
  using T = typename Traits::T;
  using Number = typename Traits::Number;
  using Me = WalkThread<Traits>;
  using Numbers = typename Me::Numbers;
  using Vectors = typename Me::Vectors;
  static constexpr int kModes = Traits::kModes, kParts = Traits::kParts, kRow = Traits::kRow;
  static constexpr int kSub = BackwardTiles<Traits>::kSub, kSubs = BackwardTiles<Traits>::kSubs;

 public:
  __device__ BackwardBlock(const BackwardArguments<T>& a, BackwardTiles<Traits>& tiles)
      : a_(a), tiles_(tiles), me_(a.walk, blockIdx.y + (kFirst ? 1 : 0)) {
    me_.read_modes(a.walk.decays, decays_);
    me_.read_modes(a.walk.gains, gains_);
    if (a.walk.D != nullptr) D_ = a.walk.D[me_.channel];
    if (me_.segment + 1 == a.walk.segments) {
      if (a.dfinal_state != nullptr) me_.read(a.dfinal_state, 1, 0, carry_);
    } else if (!kFirst) {
      me_.read(a.segment_dstates, a.walk.segments - 1, me_.segment, carry_);
    }
  }

  /// The segment's gradients.
  __device__ void run() {
    for (int i = me_.tile_count - 1; i >= 0; --i) {
      fill(i);
      Numbers entering;
      me_.read(a_.chunk_states, a_.walk.tiles, me_.first_tile + i, entering);
      const std::uint64_t resets = me_.resets(i);
      __syncthreads();  // the tile is here
      if (resets == 0 && me_.rows(i) == Traits::kTile) {
        walk<false>(entering, Traits::kTile, 0);
      } else {
        walk<true>(entering, me_.rows(i), resets);
      }
      __syncthreads();  // its sums are here
      store(i);
    }
    me_.write(a_.ddecay_sums, a_.walk.segments, me_.segment, ddecays_);
    me_.write(a_.dgain_sums, a_.walk.segments, me_.segment, dgains_);
    write_dD();
    if (me_.segment == 0 && a_.dstate != nullptr) write_dstate();
  }

  /// The gradient that the segment passes to the one before it when none comes from the next.
  __device__ void run_start() {
    bool any_resets = false;
    for (int i = me_.tile_count - 1; i >= 0; --i) {
      fill(i);
      const std::uint64_t resets = me_.resets(i);
      any_resets = any_resets || resets != 0;
      __syncthreads();
      walk_carry(me_.rows(i), resets);
      __syncthreads();  // everybody is done with the tile
    }
    me_.write(a_.segment_dstates, a_.walk.segments - 1, me_.segment - 1, carry_);
    me_.note_resets(any_resets);
  }

 private:
  static __device__ bool resets_at(std::uint64_t resets, int t) { return (resets >> t & 1) != 0; }

  /// This thread's piece of u and ds = dy silu(z).
  __device__ void fill(int tile) {
    const int size = me_.piece_size(tile), at = me_.piece_at();
#pragma unroll
    for (int v = 0; v < Traits::kVectors; ++v) {
      Vectors u{}, z{};
      if (!kFirst) u = me_.load(me_.piece(a_.u, tile), size, v);
      const Vectors dy = me_.load(me_.piece(a_.dy, tile), size, v);
      if (a_.z.data != nullptr) z = me_.load(me_.piece(a_.z, tile), size, v);
#pragma unroll
      for (int i = 0; i < Traits::kWidth; ++i) {
        const float x = to_float(z.v[i]), g = to_float(dy.v[i]);
        tiles_.u[at + v * Traits::kWidth + i] = to_float(u.v[i]);
        tiles_.ds[at + v * Traits::kWidth + i] = a_.z.data != nullptr ? g * (x * sigmoid<T>(x)) : g;
      }
    }
  }

  /// Of du and dz. z and dy come a second time, from a cache.
  __device__ void store(int tile) const {
    const int size = me_.piece_size(tile), at = me_.piece_at();
#pragma unroll
    for (int v = 0; v < Traits::kVectors; ++v) {
      const int first = at + v * Traits::kWidth;
      if (a_.du.rows.data != nullptr) {
        put(a_.du, tile, size, v, [&](int i) { return tiles_.ds[first + i]; });
      }
      if (a_.dz.rows.data != nullptr) {
        const Vectors z = me_.load(me_.piece(a_.z, tile), size, v);
        const Vectors dy = me_.load(me_.piece(a_.dy, tile), size, v);
        put(a_.dz, tile, size, v, [&](int i) {
          const float x = to_float(z.v[i]), gate = sigmoid<T>(x);
          return to_float(dy.v[i]) * (gate * (1.f + x * (1.f - gate))) * tiles_.u[first + i];
        });
      }
    }
  }
  template <class Value>
  __device__ void put(const Output<T>& output, int tile, int size, int v, Value&& value) const {
    T* to = me_.piece(output.rows, tile);
    Vectors x{};
    if (output.accumulates) x = me_.load(to, size, v);
#pragma unroll
    for (int i = 0; i < Traits::kWidth; ++i) {
      x.v[i] = from_float<T>(output.accumulates ? to_float(x.v[i]) + value(i) : value(i));
    }
    me_.store(to, size, v, x);
  }

  /// kCareful: there are resets, or the sequence ends after `count` positions.
  template <bool kCareful>
  __device__ void walk(const Numbers& entering, int count, std::uint64_t resets) {
    // The states that enter sub-blocks 1, 2, ...; each thread reads back only what it wrote itself.
    Numbers h;
#pragma unroll
    for (int k = 0; k < kModes; ++k) h[k] = entering[k];
#pragma unroll 1
    for (int sub = 0; sub + 1 < kSubs; ++sub) {
#pragma unroll
      for (int s = 0; s < kSub; ++s) advance<kCareful>(sub * kSub + s, count, resets, h, h);
      save(h, sub);
    }
#pragma unroll 1
    for (int sub = kSubs - 1; sub >= 0; --sub) {
      if (sub > 0) {
        restore(sub - 1, h);
      } else {
#pragma unroll
        for (int k = 0; k < kModes; ++k) h[k] = entering[k];
      }
      walk_back<kCareful>(sub, count, resets, h);
    }
  }

  /// The state after position t from that before it; the same beyond the end.
  template <bool kCareful>
  __device__ void advance(int t, int count, std::uint64_t resets, const Numbers& before,
                          Numbers& after) const {
    const float u = tiles_.u[t * kRow + me_.column];
    const bool reset = kCareful && resets_at(resets, t);
#pragma unroll
    for (int k = 0; k < kModes; ++k) {
      const Number next =
          modes::advance<Traits::kExact>(decays_[k], reset ? Number{} : before[k], u);
      after[k] = kCareful && t >= count ? before[k] : next;
    }
  }
  __device__ void save(const Numbers& h, int sub) {
    const float* values = reinterpret_cast<const float*>(h);
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      tiles_.entering[sub][i][threadIdx.x] =
          make_float4(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
    }
  }
  __device__ void restore(int sub, Numbers& h) const {
    float* values = reinterpret_cast<float*>(h);
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      const float4 four = tiles_.entering[sub][i][threadIdx.x];
      values[4 * i] = four.x, values[4 * i + 1] = four.y;
      values[4 * i + 2] = four.z, values[4 * i + 3] = four.w;
    }
  }

  /// The sub-block's states, and back through it.
  template <bool kCareful>
  __device__ void walk_back(int sub, int count, std::uint64_t resets, const Numbers& entering) {
    Numbers h[kSub + 1];  // h[s] enters position s of the sub-block
#pragma unroll
    for (int k = 0; k < kModes; ++k) h[0][k] = entering[k];
#pragma unroll
    for (int s = 0; s < kSub; ++s) {
      advance<kCareful>(sub * kSub + s, count, resets, h[s], h[s + 1]);
    }
    float sum_g[kSub] = {}, sum_h[kSub] = {};
#pragma unroll
    for (int s = kSub - 1; s >= 0; --s) {
      const int t = sub * kSub + s;
      if (kCareful && t >= count) continue;
      const float ds = tiles_.ds[t * kRow + me_.column];
      const bool reset = kCareful && resets_at(resets, t);
#pragma unroll
      for (int k = 0; k < kModes; ++k) {
        const Number g = modes::multiply_add(modes::conj(gains_[k]), ds, carry_[k]);
        sum_g[s] += g.re;
        sum_h[s] = modes::add_product(gains_[k], h[s + 1][k], sum_h[s]);
        dgains_[k] = modes::multiply_add(modes::conj(h[s + 1][k]), ds, dgains_[k]);
        if (!reset) ddecays_[k] = modes::multiply_add(modes::conj(h[s][k]), g, ddecays_[k]);
        carry_[k] = reset ? Number{} : modes::retreat<Traits::kExact>(decays_[k], g);
      }
    }
#pragma unroll
    for (int s = 0; s < kSub; s += 4) {
      const float four_g[4] = {sum_g[s], sum_g[s + 1], sum_g[s + 2], sum_g[s + 3]};
      const float four_h[4] = {sum_h[s], sum_h[s + 1], sum_h[s + 2], sum_h[s + 3]};
      finish(sub * kSub + s + me_.own_step(), me_.sum_over_lanes(four_g),
             me_.sum_over_lanes(four_h));
    }
  }

  /// One position of the channel, from the sums over its modes.
  __device__ void finish(int t, float sum_g, float sum_h) {
    if (!me_.finishes()) return;
    float &u = tiles_.u[t * kRow + me_.column], &ds = tiles_.ds[t * kRow + me_.column];
    dD_ = fmaf(ds, u, dD_);
    u = fmaf(D_, u, sum_h);
    ds = fmaf(D_, ds, sum_g);
  }

  __device__ void walk_carry(int count, std::uint64_t resets) {
#pragma unroll 4
    for (int t = count - 1; t >= 0; --t) {
      const float ds = tiles_.ds[t * kRow + me_.column];
      const bool reset = resets_at(resets, t);
#pragma unroll
      for (int k = 0; k < kModes; ++k) {
        const Number g = modes::multiply_add(modes::conj(gains_[k]), ds, carry_[k]);
        carry_[k] = reset ? Number{} : modes::retreat<Traits::kExact>(decays_[k], g);
      }
    }
  }

  /// The lanes of a channel hold it in parts.
  __device__ void write_dD() {
#pragma unroll
    for (int bit = 16; bit >= Traits::kWarpChannels; bit /= 2) {
      dD_ += __shfl_xor_sync(kAllLanes, dD_, bit);
    }
    if (!me_.active || me_.part != 0) return;
    a_.dD_sums[(me_.batch * a_.walk.segments + me_.segment) * a_.walk.channels + me_.channel] = dD_;
  }
  __device__ void write_dstate() {
    if (a_.dstate_accumulates) {
      Numbers before;
      me_.read(a_.dstate, 1, 0, before);
#pragma unroll
      for (int k = 0; k < kModes; ++k) carry_[k] = carry_[k] + before[k];
    }
    me_.write(a_.dstate, 1, 0, carry_);
  }

  const BackwardArguments<T>& a_;
  BackwardTiles<Traits>& tiles_;
  const Me me_;
  float D_ = 0, dD_ = 0;
  Numbers decays_, gains_;
  Numbers carry_ = {};  // the gradient of a state through the positions after it
  Numbers ddecays_ = {}, dgains_ = {};
};

}  // namespace krait::cuda::s4d
