// What a block of the backward scan does. See kernels/cuda/selective_scan/backward.cu.
#pragma once
#include "kernels/cuda/selective_scan/channel_sums.cuh"
#include "kernels/cuda/selective_scan/scan.cuh"

namespace krait::cuda {

template <class T>
struct BackwardArguments {
  Rows<const T> u, delta, z, B, C, dy;
  Output<T> du, ddelta, dz;  // null when not wanted
  const float *A, *D, *delta_bias, *chunk_states, *dfinal_state;
  const std::int32_t* sequence_ids;
  std::int64_t length, channels, channel_tiles, tiles, segments, segment_tiles;
  int group_channels, group_tiles, n;
  int passes;  // over a tile, each for 16 states
  bool softplus, vector_rows, vector_states;
  float* dstate;  // (b, d, n), optional: gradient of the state before position 0
  bool dstate_accumulates;
  float* group_sums;    // (b, l, channel_tiles, 2 n): dB and dC of a block's channels
  float* dA_sums;       // (b, segments, d, n)
  float* channel_sums;  // (b, segments, 2, d): dD and ddelta_bias
  float *segment_dstates, *segment_decays;  // (b, segments - 1, d, n), of segments 1, 2, ...
};

template <class T>
struct BackwardTraits : ScanTraits<T, 4, 4> {
  using Base = ScanTraits<T, 4, 4>;
  // Rows apart, of bf16 too: a warp reads and writes four positions together, in seven arrays.
  static constexpr int kRow = Base::kChannels + 8, kRows = Base::kTile * kRow;
  static constexpr int kSub = 4;  // positions whose states and decays are in registers
  static constexpr int kSubs = Base::kTile / kSub;
  static constexpr int kStateStages = sizeof(T) == 2 ? 1 : 2;  // bf16 is free once widened
  static constexpr int kFlush = 8;            // positions whose sums leave together
  static constexpr int kSums = 2 * Base::kN;  // dB and dC of a position
  static constexpr int kItems = Base::kTile * Base::kChannels;  // of a tile
};

template <class Traits>
struct BackwardTiles {
  using T = typename Traits::T;
  static constexpr bool kWidens = sizeof(T) == 2;
  alignas(16) T u[Traits::kStages][Traits::kRows];      // then du
  alignas(16) T delta[Traits::kStages][Traits::kRows];  // then ddelta
  alignas(16) T z[Traits::kStages][Traits::kRows];      // then dz
  alignas(16) T dy[Traits::kStages][Traits::kRows];
  alignas(16) T B[Traits::kStateStages][Traits::kTile * Traits::kN];  // of 16 states
  alignas(16) T C[Traits::kStateStages][Traits::kTile * Traits::kN];
  alignas(16) float wide_B[kWidens ? Traits::kTile * Traits::kN : 4];  // of bf16
  alignas(16) float wide_C[kWidens ? Traits::kTile * Traits::kN : 4];
  alignas(16) float4 items[Traits::kItems];  // (dt, dt u, g = dy silu(z), dy silu'(z))
  alignas(16) float slopes[Traits::kItems];  // d dt / d delta
  // states that enter the sub-blocks but the first
  alignas(16) float4 entering[Traits::kSubs - 1][Traits::kThreads];
  // dB and dC by warp
  alignas(16) float sums[2][Traits::kWarps][Traits::kFlush][Traits::kSums];
  alignas(16) unsigned ones[2][4];  // for MatrixSums
  // where the block's arrays are: in registers they would be missed
  BlockRows<const T> u_rows, delta_rows, z_rows, dy_rows, B_rows, C_rows;
  BlockRows<T> du_rows, ddelta_rows, dz_rows;

  __device__ const float* B_of(int stage) const { return f32(B[stage], wide_B); }
  __device__ const float* C_of(int stage) const { return f32(C[stage], wide_C); }
  __device__ static const float* f32(const T* tile, const float* wide) {
    if constexpr (kWidens) {
      return wide;
    } else {
      return tile;
    }
  }
};

/// What each thread keeps of 16 states between passes.
template <class Traits>
struct PassMemory {
  float4 dh[Traits::kThreads], dA[Traits::kThreads], exponents[Traits::kThreads];
};
/// Sums over states of a tile, where there are several passes.
template <class Traits>
struct PassSums {
  float B[Traits::kItems], A[Traits::kItems], y[Traits::kItems];
};
/// BackwardTiles, then a PassMemory for each pass, then PassSums if there are several.
template <class Traits>
std::size_t backward_shared_bytes(int passes) {
  return sizeof(BackwardTiles<Traits>) +
         static_cast<std::size_t>(passes) * sizeof(PassMemory<Traits>) +
         (passes > 1 ? sizeof(PassSums<Traits>) : 0);
}

/// kFirst: the first of two walks over a long sequence.
template <class Traits, bool kFirst>
class BackwardBlock {
  using T = typename Traits::T;
  using ChannelSums = std::conditional_t<sizeof(T) == 2, MatrixSums<Traits>, ShuffledSums<Traits>>;
  using Quad = float[4];  // a thread's four states

 public:
  __device__ BackwardBlock(const BackwardArguments<T>& a, unsigned char* shared)
      : a_(a),
        tiles_(*reinterpret_cast<BackwardTiles<Traits>*>(shared)),
        memory_(reinterpret_cast<PassMemory<Traits>*>(shared + sizeof(BackwardTiles<Traits>))) {
    tile_of_channels_ = blockIdx.x % a.channel_tiles;
    batch_ = blockIdx.x / a.channel_tiles;
    group_ = tile_of_channels_ / a.group_tiles;
    const int in_group = static_cast<int>(tile_of_channels_ % a.group_tiles) * Traits::kChannels;
    first_channel_ = group_ * a.group_channels + in_group;
    columns_ = min(Traits::kChannels, a.group_channels - in_group);
    segment_ = blockIdx.y + (kFirst ? 1 : 0);  // segments 1, 2, ... have a state to pass on
    first_tile_ = segment_ * a.segment_tiles;
    tile_count_ = static_cast<int>(min(a.segment_tiles, a.tiles - first_tile_));
    active_ = me_.channel < columns_;
    channel_ = first_channel_ + (active_ ? me_.channel : 0);
    D_ = a.D != nullptr ? a.D[channel_] : 0.f;
    limit_ = a.softplus ? kSoftplusLimit : -HUGE_VALF;
    const int column = Traits::prepared_column();
    if (a.delta_bias != nullptr) {
      if (column < columns_) prepared_bias_.x = a.delta_bias[first_channel_ + column];
      if (column + 1 < columns_) prepared_bias_.y = a.delta_bias[first_channel_ + column + 1];
    }
    for (int pass = 0; pass < a.passes; ++pass) begin_pass(pass);
    if (threadIdx.x == 0) place_rows();
    if (threadIdx.x < 8) MatrixSums<Traits>::write_ones(tiles_.ones);
    __syncthreads();
    if constexpr (sizeof(T) == 2) channel_sums_.read_ones(tiles_.ones);
  }

  /// The segment's gradients.
  __device__ void run() {
    load_rows(tile_count_ - 1);
    load_states(tile_count_ - 1, 0, 0);
    commit_copies();
    Quad next = {0, 0, 0, 0};
    read_entering(tile_count_ - 1, 0, next);
    int unit = 0;  // passes so far, over all tiles
    for (int i = tile_count_ - 1; i >= 0; --i) {
#pragma unroll 1
      for (int pass = 0; pass < a_.passes; ++pass, ++unit) {
        wait_for_copies();
        __syncthreads();  // this pass is here, and everybody is done with the one before
        if (pass == 0) {
          if (i + 1 < tile_count_) store(i + 1);
          prepare(i);
        }
        widen_tile<Traits>(tiles_.B[unit % Traits::kStateStages], tiles_.wide_B);
        widen_tile<Traits>(tiles_.C[unit % Traits::kStateStages], tiles_.wide_C);
        __syncthreads();
        Quad entering = {next[0], next[1], next[2], next[3]};
        load_next(i, pass, unit, next);
        load_pass(pass);
        const unsigned resets = resets_of(i);
        if (resets != 0) {
          walk<true>(
              {.tile = i, .pass = pass, .stage = unit % Traits::kStateStages, .resets = resets},
              entering);
        } else {
          walk<false>({.tile = i, .pass = pass, .stage = unit % Traits::kStateStages, .resets = 0},
                      entering);
        }
        save_pass(pass);
      }
    }
    __syncthreads();
    store(0);
    for (int pass = 0; pass < a_.passes; ++pass) end_pass(pass);
    write_channel_sums();
  }

  /// The gradient of the segment's incoming state from a zero gradient at its end (from that of the
  /// final state in the last segment), and the decay that the segment applies to a gradient at its
  /// end.
  __device__ void run_start() {
    for (int pass = 0; pass < a_.passes; ++pass) {
      load_pass(pass);
#pragma unroll
      for (float& x : dh_) x = 0;
      Quad lost = {};
      SumOf<T> sum_dt = 0;
      bool cut = false;  // what follows does not count
      for (int i = 0; i < tile_count_ && !cut; ++i) {
        __syncthreads();  // everybody is done with the tile before
        load_rows(i);
        load_states(i, pass, 0);
        commit_copies();
        wait_for_copies();
        __syncthreads();
        prepare(i);
        widen_tile<Traits>(tiles_.C[0], tiles_.wide_C);
        __syncthreads();
        const unsigned resets = resets_of(i);
        walk_start(resets == 0 ? Traits::kTile : __ffs(static_cast<int>(resets)) - 1, sum_dt, lost);
        bool alive = false;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          alive =
              alive || (active_ && state(pass) + k < a_.n && exponents_.remaining(sum_dt, k) != 0);
        }
        cut = __syncthreads_or(alive) == 0 || resets != 0;
      }
      write_start(pass, sum_dt, cut);
    }
  }

 private:
  struct Step {
    int tile, pass, stage;
    unsigned resets;
  };

  /// The first of the thread's four states in a pass.
  __device__ int state(int pass) const {
    return pass * Traits::kN + 4 * me_.part;
  }
  /// Where the thread's channel is in a (b, count, d, n) array.
  __device__ std::int64_t states_at(std::int64_t count, std::int64_t index) const {
    return ((batch_ * count + index) * a_.channels + channel_) * a_.n;
  }
  __device__ void read_quad(const float* channel, int pass, Quad& to) const {
    const int first = state(pass);
    if (a_.n % 4 == 0 && first < a_.n) {
      const float4 four = *reinterpret_cast<const float4*>(channel + first);
      to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = first + i < a_.n ? channel[first + i] : 0.f;
    }
  }
  __device__ void write_quad(float* channel, int pass, const Quad& from) const {
    const int first = state(pass);
    if (a_.n % 4 == 0 && first < a_.n) {
      *reinterpret_cast<float4*>(channel + first) = make_float4(from[0], from[1], from[2], from[3]);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (first + i < a_.n) channel[first + i] = from[i];
      }
    }
  }
  __device__ std::int64_t position(int tile) const {
    return (first_tile_ + tile) * Traits::kTile;
  }
  __device__ int rows(int tile) const {
    return static_cast<int>(min(std::int64_t{Traits::kTile}, a_.length - position(tile)));
  }
  __device__ unsigned resets_of(int tile) const {
    if (a_.sequence_ids == nullptr) return 0;
    return reset_mask(a_.sequence_ids + batch_ * a_.length, position(tile), rows(tile));
  }

  __device__ void begin_pass(int pass) {
    Quad A = {0, 0, 0, 0}, dh = {0, 0, 0, 0};
    if (active_) {
      read_quad(a_.A + channel_ * a_.n, pass, A);
      if (!kFirst && segment_ + 1 < a_.segments) {
        read_quad(a_.segment_dstates + states_at(a_.segments - 1, segment_), pass, dh);
      } else if (!kFirst && a_.dfinal_state != nullptr) {
        read_quad(a_.dfinal_state + states_at(1, 0), pass, dh);
      }
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) exponents_.set(k, A[k]), dh_[k] = dh[k], dA_[k] = 0;
    save_pass(pass);
    memory_[pass].exponents[threadIdx.x] = make_float4(exponents_.value[0], exponents_.value[1],
                                                       exponents_.value[2], exponents_.value[3]);
  }
  __device__ void load_pass(int pass) {
    const float4 dh = memory_[pass].dh[threadIdx.x], dA = memory_[pass].dA[threadIdx.x],
                 x = memory_[pass].exponents[threadIdx.x];
    dh_[0] = dh.x, dh_[1] = dh.y, dh_[2] = dh.z, dh_[3] = dh.w;
    dA_[0] = dA.x, dA_[1] = dA.y, dA_[2] = dA.z, dA_[3] = dA.w;
    exponents_.value[0] = x.x, exponents_.value[1] = x.y;
    exponents_.value[2] = x.z, exponents_.value[3] = x.w;
  }
  __device__ void save_pass(int pass) {
    memory_[pass].dh[threadIdx.x] = make_float4(dh_[0], dh_[1], dh_[2], dh_[3]);
    memory_[pass].dA[threadIdx.x] = make_float4(dA_[0], dA_[1], dA_[2], dA_[3]);
  }
  __device__ void end_pass(int pass) {
    load_pass(pass);
    if (!active_) return;
    write_quad(a_.dA_sums + states_at(a_.segments, segment_), pass, dA_);
    if (segment_ > 0 || a_.dstate == nullptr) return;
    float* to = a_.dstate + states_at(1, 0);
    if (a_.dstate_accumulates) {
      Quad before;
      read_quad(to, pass, before);
#pragma unroll
      for (int k = 0; k < 4; ++k) dh_[k] += before[k];
    }
    write_quad(to, pass, dh_);
  }
  __device__ void write_start(int pass, SumOf<T> sum_dt, bool cut) {
    if (!active_) return;
    Quad decay;
#pragma unroll
    for (int k = 0; k < 4; ++k) decay[k] = cut ? 0.f : exponents_.remaining(sum_dt, k);
    if (segment_ + 1 == a_.segments && a_.dfinal_state != nullptr && !cut) {
      Quad last;
      read_quad(a_.dfinal_state + states_at(1, 0), pass, last);
#pragma unroll
      for (int k = 0; k < 4; ++k) dh_[k] = fmaf(decay[k], last[k], dh_[k]);
    }
    const std::int64_t at = states_at(a_.segments - 1, segment_ - 1);
    write_quad(a_.segment_dstates + at, pass, dh_);
    write_quad(a_.segment_decays + at, pass, decay);
  }

  __device__ void place_rows() {
    const std::int64_t t = position(0);
    const auto of_channels = [&](auto& to, const auto& from) {
      to = {};  // shared memory has no constructors
      if (from.data == nullptr) return;
      to = {from.at(batch_, t) + first_channel_, static_cast<int>(from.row_stride)};
    };
    const auto of_group = [&](auto& to, const auto& from) {
      to = {from.at(batch_, t, group_), static_cast<int>(from.row_stride)};
    };
    of_channels(tiles_.u_rows, a_.u), of_channels(tiles_.delta_rows, a_.delta);
    of_channels(tiles_.z_rows, a_.z), of_channels(tiles_.dy_rows, a_.dy);
    of_channels(tiles_.du_rows, a_.du.rows), of_channels(tiles_.ddelta_rows, a_.ddelta.rows);
    of_channels(tiles_.dz_rows, a_.dz.rows);
    of_group(tiles_.B_rows, a_.B), of_group(tiles_.C_rows, a_.C);
  }

  /// u, delta, z and dy of a tile, one warp each.
  __device__ void load_rows(int tile) {
    const int stage = tile % Traits::kStages;
    const auto load = [&](T* to, const BlockRows<const T>& from) {
      load_tile<Traits, Traits::kChannels, Traits::kRow>(
          to, from.template tile<Traits::kTile>(tile), from.row_stride, rows(tile), columns_,
          a_.vector_rows);
    };
    switch (threadIdx.x / 32) {
      case 0:
        return load(tiles_.delta[stage], tiles_.delta_rows);
      case 1:
        return load(tiles_.dy[stage], tiles_.dy_rows);
      case 2:
        if (a_.z.data != nullptr) load(tiles_.z[stage], tiles_.z_rows);
        return;
      default:
        if (!kFirst) load(tiles_.u[stage], tiles_.u_rows);
    }
  }
  /// B and C of a pass, one warp each.
  __device__ void load_states(int tile, int pass, int stage) {
    const auto load = [&](T* to, const BlockRows<const T>& from) {
      load_tile<Traits, Traits::kN, Traits::kN>(
          to, from.template tile<Traits::kTile>(tile) + pass * Traits::kN, from.row_stride,
          rows(tile), a_.n - pass * Traits::kN, a_.vector_states);
    };
    if (threadIdx.x / 32 == 0) load(tiles_.C[stage], tiles_.C_rows);
    if (threadIdx.x / 32 == 2 && !kFirst) load(tiles_.B[stage], tiles_.B_rows);
  }
  /// What the pass after this one needs.
  __device__ void load_next(int tile, int pass, int unit, Quad& next) {
    const bool same_tile = pass + 1 < a_.passes;
    if (!same_tile && tile == 0) return;
    const int next_tile = same_tile ? tile : tile - 1, next_pass = same_tile ? pass + 1 : 0;
    if (!same_tile) load_rows(next_tile);
    load_states(next_tile, next_pass, (unit + 1) % Traits::kStateStages);
    commit_copies();
    read_entering(next_tile, next_pass, next);
  }
  __device__ void read_entering(int tile, int pass, Quad& to) const {
    if (!active_) return;
    read_quad(a_.chunk_states + states_at(a_.tiles, first_tile_ + tile), pass, to);
  }

  /// What is computed once per position and channel, two channels at a time. Positions beyond the
  /// end change nothing.
  __device__ void prepare(int tile) {
    const int stage = tile % Traits::kStages, column = Traits::prepared_column();
    const int count = rows(tile);
#pragma unroll
    for (int k = 0; k < Traits::kTile / Traits::kPreparedStep; ++k) {
      const int row = Traits::prepared_row() + k * Traits::kPreparedStep;
      const int from = row * Traits::kRow + column, to = row * Traits::kChannels + column;
      const float2 x = load_two(tiles_.delta[stage] + from);
      const float2 u = load_two(tiles_.u[stage] + from);
      const float2 dy = load_two(tiles_.dy[stage] + from);
      const float2 z = load_two(tiles_.z[stage] + from);
      float2 slopes;
      tiles_.items[to] = item(x.x + prepared_bias_.x, u.x, dy.x, z.x, slopes.x);
      tiles_.items[to + 1] = item(x.y + prepared_bias_.y, u.y, dy.y, z.y, slopes.y);
      *reinterpret_cast<float2*>(tiles_.slopes + to) = slopes;
    }
    if (count == Traits::kTile) return;
    for (int row = Traits::prepared_row(); row < Traits::kTile; row += Traits::kPreparedStep) {
      if (row < count) continue;
      const int to = row * Traits::kChannels + column;
      tiles_.items[to] = tiles_.items[to + 1] = make_float4(0, 0, 0, 0);
      *reinterpret_cast<float2*>(tiles_.slopes + to) = make_float2(0, 0);
    }
  }
  __device__ float4 item(float x, float u, float dy, float z, float& slope) const {
    const float dt = softplus<T>(x, limit_), s = sigmoid<T>(z);
    slope = select(x > limit_, 1.f, sigmoid<T>(x));
    const bool gated = a_.z.data != nullptr;
    return make_float4(dt, dt * u, dy * select(gated, z * s, 1.f),
                       select(gated, dy * s * fmaf(z, 1.f - s, 1.f), 0.f));
  }

  __device__ const float4& item_of(int t) const {
    return tiles_.items[t * Traits::kChannels + me_.channel];
  }
  __device__ static bool resets_at(unsigned resets, int t) {
    return (resets >> t & 1u) != 0;
  }
  __device__ float4 four_of(const float* tile, int t) const {
    return *reinterpret_cast<const float4*>(tile + t * Traits::kN + 4 * me_.part);
  }

  /// h[t] from h[t-1].
  template <bool kResets>
  __device__ void advance(int t, const Step& step, Quad& h, Quad& decays) const {
    const float2 dts = *reinterpret_cast<const float2*>(&item_of(t));
    const bool reset = kResets && resets_at(step.resets, t);
    const float4 B = four_of(tiles_.B_of(step.stage), t);
    const float b[4] = {B.x, B.y, B.z, B.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      decays[k] = exponents_.decay(dts.x, k);
      h[k] = fmaf(decays[k], reset ? 0.f : h[k], dts.y * b[k]);
    }
  }

  template <bool kResets>
  __device__ void walk(const Step& step, const Quad& entering) {
    // The states that enter sub-blocks 1, 2, ...; each thread reads back only what it wrote itself.
    Quad h = {entering[0], entering[1], entering[2], entering[3]}, decays;
#pragma unroll 1
    for (int sub = 0; sub + 1 < Traits::kSubs; ++sub) {
#pragma unroll
      for (int s = 0; s < Traits::kSub; ++s) {
        advance<kResets>(sub * Traits::kSub + s, step, h, decays);
      }
      tiles_.entering[sub][threadIdx.x] = make_float4(h[0], h[1], h[2], h[3]);
    }
#pragma unroll 1
    for (int sub = Traits::kSubs - 1; sub >= 0; --sub) {
      if (sub > 0) {
        const float4 four = tiles_.entering[sub - 1][threadIdx.x];
        h[0] = four.x, h[1] = four.y, h[2] = four.z, h[3] = four.w;
      } else {
#pragma unroll
        for (int k = 0; k < 4; ++k) h[k] = entering[k];
      }
      walk_back<kResets>(sub, step, h);
      if (sub * Traits::kSub % Traits::kFlush != 0) continue;
      __syncthreads();
      store_sums(step, sub * Traits::kSub / Traits::kFlush);
    }
  }

  /// The sub-block's states, and back through it.
  template <bool kResets>
  __device__ void walk_back(int sub, const Step& step, const Quad& entering) {
    constexpr int kSub = Traits::kSub;
    float h[kSub + 1][4], decays[kSub][4];  // h[s] enters position s of the sub-block
#pragma unroll
    for (int k = 0; k < 4; ++k) h[0][k] = entering[k];
#pragma unroll
    for (int s = 0; s < kSub; ++s) {
#pragma unroll
      for (int k = 0; k < 4; ++k) h[s + 1][k] = h[s][k];
      advance<kResets>(sub * kSub + s, step, h[s + 1], decays[s]);
    }
    float sum_B[kSub] = {}, sum_A[kSub] = {}, sum_y[kSub] = {};
#pragma unroll
    for (int s = kSub - 1; s >= 0; --s) {
      const int t = sub * kSub + s;
      const float4 item = item_of(t);
      const float dt = item.x, dtu = item.y, g = item.z;
      const bool reset = kResets && resets_at(step.resets, t);
      const float4 B4 = four_of(tiles_.B_of(step.stage), t);
      const float4 C4 = four_of(tiles_.C_of(step.stage), t);
      const float B[4] = {B4.x, B4.y, B4.z, B4.w}, C[4] = {C4.x, C4.y, C4.z, C4.w};
      float products[8];  // dB, dC
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float dh = fmaf(C[k], g, dh_[k]);
        products[k] = dtu * dh;
        products[4 + k] = g * h[s + 1][k];
        sum_y[s] = fmaf(C[k], h[s + 1][k], sum_y[s]);
        sum_B[s] = fmaf(B[k], dh, sum_B[s]);
        dh_[k] = reset ? 0.f : decays[s][k] * dh;
        const float q = dh_[k] * (reset ? 0.f : h[s][k]);
        sum_A[s] = fmaf(exponents_.value[k], q, sum_A[s]);
        dA_[k] = fmaf(dt, q, dA_[k]);
      }
      const int flush = t / Traits::kFlush % 2;
      channel_sums_.add(products, tiles_.sums[flush][threadIdx.x / 32][t % Traits::kFlush]);
    }
    finish(sub * kSub + me_.own_step(), step, sum_over_parts<Traits>(sum_B),
           sum_over_parts<Traits>(sum_A), sum_over_parts<Traits>(sum_y));
  }

  /// du, ddelta and dz of one position and channel, from the sums over its states.
  __device__ void finish(int t, const Step& step, float sum_B, float sum_A, float sum_y) {
    if (a_.passes > 1) {
      auto& sums = *reinterpret_cast<PassSums<Traits>*>(memory_ + a_.passes);
      const int at = t * Traits::kChannels + me_.channel;
      if (step.pass > 0) sum_B += sums.B[at], sum_A += sums.A[at], sum_y += sums.y[at];
      if (step.pass + 1 < a_.passes) {
        sums.B[at] = sum_B, sums.A[at] = sum_A, sums.y[at] = sum_y;
        return;
      }
    }
    const int stage = step.tile % Traits::kStages, at = t * Traits::kRow + me_.channel;
    const float4 item = item_of(t);
    const float u = to_float(tiles_.u[stage][at]);
    const float ddelta = fmaf(Exponents<T, 4>::kScale, sum_A, sum_B * u) *
                         tiles_.slopes[t * Traits::kChannels + me_.channel];
    dD_ = fmaf(item.z, u, dD_);
    dbias_ += t < rows(step.tile) ? ddelta : 0.f;
    tiles_.u[stage][at] = from_float<T>(fmaf(D_, item.z, sum_B * item.x));
    tiles_.delta[stage][at] = from_float<T>(ddelta);
    tiles_.z[stage][at] = from_float<T>(item.w * fmaf(D_, u, sum_y));
  }

  /// Adds the warps' dB and dC of kFlush positions, in order.
  __device__ void store_sums(const Step& step, int flush) {
    const int count = rows(step.tile) - flush * Traits::kFlush, width = 2 * a_.n;
    const std::int64_t row = batch_ * a_.length + position(step.tile) + flush * Traits::kFlush;
    float* to = a_.group_sums + (row * a_.channel_tiles + tile_of_channels_) * width +
                step.pass * Traits::kN;
    const std::int64_t stride = a_.channel_tiles * width;
    constexpr int kQuads = Traits::kSums / 4;
    const int s = static_cast<int>(threadIdx.x) / kQuads;
    if (s >= Traits::kFlush || s >= count) return;
    const int at = static_cast<int>(threadIdx.x) % kQuads * 4;
    const auto& sums = tiles_.sums[flush % 2];
    float4 sum = *reinterpret_cast<const float4*>(&sums[0][s][at]);
#pragma unroll
    for (int w = 1; w < Traits::kWarps; ++w) {
      const float4 own = *reinterpret_cast<const float4*>(&sums[w][s][at]);
      sum.x += own.x, sum.y += own.y, sum.z += own.z, sum.w += own.w;
    }
    constexpr float kScale = ChannelSums::kScale;
    sum = make_float4(kScale * sum.x, kScale * sum.y, kScale * sum.z, kScale * sum.w);
    const int n = at % Traits::kN, left = a_.n - step.pass * Traits::kN - n;
    to += s * stride + at / Traits::kN * a_.n + n;
    if (a_.n % 4 == 0 && left >= 4) {
      *reinterpret_cast<float4*>(to) = sum;
    } else {
      const float four[4] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (k < left) to[k] = four[k];
      }
    }
  }

  /// Positions [0, end) of a tile: adds exp(A sum_dt) C g, sum_dt being the sum of dt from the
  /// start of the segment to the position.
  __device__ void walk_start(int end, SumOf<T>& sum_dt, Quad& lost) {
#pragma unroll 4
    for (int t = 0; t < end; ++t) {
      const float4 item = item_of(t), C4 = four_of(tiles_.C_of(0), t);
      const float C[4] = {C4.x, C4.y, C4.z, C4.w};
      sum_dt += item.x;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        add_to_long_sum<T>(exponents_.remaining(sum_dt, k), C[k] * item.z, dh_[k], lost[k]);
      }
    }
  }

  /// du, ddelta and dz of a tile, one warp each.
  __device__ void store(int tile) {
    const int stage = tile % Traits::kStages;
    const auto store_rows = [&](const T* from, const BlockRows<T>& to, bool accumulate) {
      if (to.first == nullptr) return;
      store_tile<Traits, 32>(from, to.template tile<Traits::kTile>(tile), to.row_stride, rows(tile),
                             columns_, a_.vector_rows, accumulate);
    };
    switch (threadIdx.x / 32) {
      case 0:
        return store_rows(tiles_.u[stage], tiles_.du_rows, a_.du.accumulate);
      case 1:
        return store_rows(tiles_.delta[stage], tiles_.ddelta_rows, a_.ddelta.accumulate);
      case 2:
        return store_rows(tiles_.z[stage], tiles_.dz_rows, a_.dz.accumulate);
      default:
        return;
    }
  }

  /// dD and ddelta_bias, which the lanes of a channel hold in parts.
  __device__ void write_channel_sums() {
#pragma unroll
    for (int bit = 16; bit >= Traits::kWarpChannels; bit /= 2) {
      dD_ += __shfl_xor_sync(kAllLanes, dD_, bit);
      dbias_ += __shfl_xor_sync(kAllLanes, dbias_, bit);
    }
    if (!active_ || me_.part != 0) return;
    float* to = a_.channel_sums + (batch_ * a_.segments + segment_) * 2 * a_.channels + channel_;
    to[0] = dD_;
    to[a_.channels] = dbias_;
  }

  const BackwardArguments<T>& a_;
  BackwardTiles<Traits>& tiles_;
  PassMemory<Traits>* memory_;
  ScanThread<Traits> me_;
  std::int64_t batch_, group_, tile_of_channels_, first_channel_, segment_, first_tile_, channel_;
  int columns_, tile_count_;
  bool active_;  // the channel exists
  float D_, limit_, dD_ = 0, dbias_ = 0;
  float2 prepared_bias_ = {0, 0};  // of the two channels that this thread prepares
  // of the present pass
  Exponents<T, 4> exponents_;
  Quad dA_, dh_;
  ChannelSums channel_sums_;
};

}  // namespace krait::cuda
