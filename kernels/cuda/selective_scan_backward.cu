// Selective scan, backward.
//
// The map of threads and the tiles are described in selective_scan.cuh. A block walks its run of
// positions from the end, tile by tile. For a tile it computes once per position and channel
//   dt, dt u and g = dy silu(z)
// and recomputes the states from the one that entered the tile (chunk_states): first at the ends of
// the sub-blocks of kSub positions, then, sub-block by sub-block from the last, all of them, into
// registers. The way back through a sub-block, for each state:
//   dh += C g;  dC = g h;  dB = dt u dh;  sB += B dh;  q = a dh h[t-1];  sA += A q;  dA += dt q
//   y += C h;  dh = a dh,  with a = exp2(dt A log2 e) computed again
// sB, sA and y are added across the lanes of a channel and give du, ddelta and dz, which take the
// place of u, delta and z in shared memory. dB and dC are added across the 8 (or 2) channels of the
// warp by shuffles, across the 4 warps in shared memory, and leave as one partial sum per block,
// position and state; a second kernel adds the blocks of a group in order. dA, dD and ddelta_bias
// are kept in registers over the whole run and leave as partial sums as well. No atomics: two runs
// give the same bits.
//
// Bytes per element of u, bf16: u, delta, z, dy read, du, ddelta, dz written, 14; 2 n for
// chunk_states; partial sums of dB and dC, 8 n / 32 written and read again.
// Scratch: those partial sums (b l ceil(d / 32) 2 n f32 for n <= 64), and 2 d (n + 2) f32 per batch
// entry and segment.
//
// Long sequences of few channels are cut into segments as in the forward kernel, from the other
// end.
#include "core/scratch.h"
#include "kernels/cuda/selective_scan.cuh"
#include "kernels/cuda/selective_scan_channel_sums.cuh"
#include "kernels/selective_scan.h"

namespace krait::cuda {
namespace {

template <class T>
struct BackwardArguments {
  Rows<const T> u, delta, z, B, C, dy;
  Output<T> du, ddelta, dz;  // null when not wanted
  const float *A, *D, *delta_bias, *chunk_states, *dfinal_state;
  const std::int32_t* sequence_ids;
  std::int64_t length, channels, channel_tiles, tiles, segments, segment_tiles;
  int group_channels, group_tiles, n;
  bool softplus, vector_rows, vector_states;
  float* dstate;  // (b, d, n), optional: gradient of the state before position 0
  bool dstate_accumulates;
  float* group_sums;    // (b, l, channel_tiles, 2 n): dB and dC of a block's channels
  float* dA_sums;       // (b, segments, d, n)
  float* channel_sums;  // (b, segments, 2, d): dD and ddelta_bias
  float *segment_dstates, *segment_decays;  // (b, segments - 1, d, n), of segments 1, 2, ...
};

template <class Traits>
struct BackwardTraits : Traits {
  // The states of a sub-block stay in registers; of 4 a thread, the decays as well.
  static constexpr bool kKeepsDecays = Traits::kStates == 4;
  static constexpr int kSub = kKeepsDecays ? 8 : 64 / Traits::kStates;
  static constexpr int kSubs = Traits::kTile / kSub;
  static constexpr bool kSumsByMatrix = sizeof(typename Traits::T) == 2 && Traits::kLanes == 4;
  static constexpr int kSums = 2 * Traits::kN;  // dB and dC of a position
  static constexpr int kSumStages = Traits::kN <= 64 ? 2 : 1;
  static_assert(kSub % 4 == 0);
};

template <class Traits>
struct BackwardTiles {
  using T = typename Traits::T;
  static constexpr bool kWidens = sizeof(T) == 2;
  alignas(16) T u[Traits::kStages][Traits::kRows];      // then du
  alignas(16) T delta[Traits::kStages][Traits::kRows];  // then ddelta
  alignas(16) T z[Traits::kStages][Traits::kRows];      // then dz
  alignas(16) T dy[Traits::kStages][Traits::kRows];
  alignas(16) T B[Traits::kStages][Traits::kTile * Traits::kN];
  alignas(16) T C[Traits::kStages][Traits::kTile * Traits::kN];
  alignas(16) float wide_B[kWidens ? Traits::kTile * Traits::kN : 4];  // of bf16
  alignas(16) float wide_C[kWidens ? Traits::kTile * Traits::kN : 4];
  // where the block's arrays are: in registers they would be missed
  BlockRows<const T> u_rows, delta_rows, z_rows, dy_rows, B_rows, C_rows;
  BlockRows<T> du_rows, ddelta_rows, dz_rows;
  alignas(16) float2 pairs[Traits::kTile * Traits::kChannels];  // (dt, dt u)
  alignas(16) float g[Traits::kTile * Traits::kChannels];
  // states that enter the sub-blocks but the first
  alignas(16) float4 entering[Traits::kSubs - 1][Traits::kQuads][Traits::kThreads];
  // dB and dC of a sub-block by warp
  alignas(16) float sums[Traits::kSumStages][Traits::kWarps][Traits::kSub][Traits::kSums];

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

/// kFirst: the first of two walks over a long sequence.
template <class Traits, bool kFirst>
class BackwardBlock {
  using T = typename Traits::T;
  using ChannelSums =
      std::conditional_t<Traits::kSumsByMatrix, MatrixSums<Traits>, ShuffledSums<Traits>>;
  static constexpr int kStates = Traits::kStates, kSub = Traits::kSub;

 public:
  __device__ BackwardBlock(const BackwardArguments<T>& a, BackwardTiles<Traits>& tiles)
      : a_(a), tiles_(tiles) {
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
    bias_ = a.delta_bias != nullptr ? a.delta_bias[channel_] : 0.f;
#pragma unroll
    for (int k = 0; k < kStates; ++k) {
      const int n = me_.state(k / 4) + k % 4;
      exponents_.set(k, active_ && n < a.n ? a.A[channel_ * a.n + n] : 0.f);
      dA_[k] = 0;
    }
    const int column = Traits::prepared_column();
    if (a.delta_bias != nullptr) {
      if (column < columns_) prepared_bias_.x = a.delta_bias[first_channel_ + column];
      if (column + 1 < columns_) prepared_bias_.y = a.delta_bias[first_channel_ + column + 1];
    }
    if (threadIdx.x == 0) place_rows();
    __syncthreads();
  }

  /// The segment's gradients.
  __device__ void run() {
    read_last_dstate();
    load(tile_count_ - 1);
#pragma unroll
    for (float& x : next_) x = 0;
    read_next_state(tile_count_ - 1);
    for (int i = tile_count_ - 1; i >= 0; --i) {
      const int stage = i % Traits::kStages;
#pragma unroll
      for (int k = 0; k < kStates; ++k) entering_[k] = next_[k];
      wait_for_copies();
      __syncthreads();  // tile i is here, and everybody is done with tile i + 1
      if (Traits::kStages > 1 && i + 1 < tile_count_) store(i + 1);
      prepare(i, stage);
      __syncthreads();
      if (Traits::kStages > 1 && i > 0) load(i - 1);
      read_next_state(i - 1);
      const unsigned resets = resets_of(i);
      if (resets != 0) {
        walk<true>(i, stage, resets);
      } else {
        walk<false>(i, stage, 0);
      }
      if (Traits::kStages == 1) {
        __syncthreads();
        store(i);
        __syncthreads();
        if (i > 0) load(i - 1);
      }
    }
    if (Traits::kStages > 1) {
      __syncthreads();
      store(0);
    }
    if (segment_ == 0) write_first_dstate();
    write_sums();
  }

  /// The gradient of the state that enters the segment when none comes from the next one (the last
  /// has that of the final state), and what is left of one that does.
  __device__ void run_start() {
#pragma unroll
    for (float& x : dh_) x = 0;
    float sum_dt = 0;
    bool cut = false;  // what follows does not count
    load(0);
    for (int i = 0; i < tile_count_ && !cut; ++i) {
      const int stage = i % Traits::kStages;
      wait_for_copies();
      __syncthreads();
      prepare(i, stage);
      __syncthreads();
      if (Traits::kStages > 1 && i + 1 < tile_count_) load(i + 1);
      const unsigned resets = resets_of(i);
      walk_start(stage, resets == 0 ? Traits::kTile : __ffs(static_cast<int>(resets)) - 1, sum_dt);
      bool alive = false;
#pragma unroll
      for (int k = 0; k < kStates; ++k) {
        const int n = me_.state(k / 4) + k % 4;
        alive = alive || (active_ && n < a_.n && exponents_.decay(sum_dt, k) != 0);
      }
      cut = __syncthreads_or(alive) == 0 || resets != 0;
      if (Traits::kStages == 1 && i + 1 < tile_count_ && !cut) load(i + 1);
    }
    wait_for_copies();
    if (!active_) return;
    float decay[kStates];
#pragma unroll
    for (int k = 0; k < kStates; ++k) decay[k] = cut ? 0.f : exponents_.decay(sum_dt, k);
    if (segment_ + 1 == a_.segments && a_.dfinal_state != nullptr && !cut) {
      float last[kStates];
      read_states(a_.dfinal_state + states_at(1, 0), me_, a_.n, last);
#pragma unroll
      for (int k = 0; k < kStates; ++k) dh_[k] = fmaf(decay[k], last[k], dh_[k]);
    }
    const std::int64_t at = states_at(a_.segments - 1, segment_ - 1);
    write_states(a_.segment_dstates + at, me_, a_.n, dh_);
    write_states(a_.segment_decays + at, me_, a_.n, decay);
  }

 private:
  /// Where the thread's channel is in a (b, count, d, n) array.
  __device__ std::int64_t states_at(std::int64_t count, std::int64_t index) const {
    return ((batch_ * count + index) * a_.channels + channel_) * a_.n;
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

  __device__ std::int64_t position(int tile) const {
    return (first_tile_ + tile) * Traits::kTile;
  }
  __device__ int rows(int tile) const {
    return static_cast<int>(min(std::int64_t{Traits::kTile}, a_.length - position(tile)));
  }

  __device__ unsigned resets_of(int tile) const {
    return reset_mask(a_.sequence_ids == nullptr ? nullptr : a_.sequence_ids + batch_ * a_.length,
                      position(tile), rows(tile));
  }

  __device__ void read_last_dstate() {
#pragma unroll
    for (float& x : dh_) x = 0;
    if (!active_) return;
    if (segment_ + 1 < a_.segments) {
      read_states(a_.segment_dstates + states_at(a_.segments - 1, segment_), me_, a_.n, dh_);
    } else if (a_.dfinal_state != nullptr) {
      read_states(a_.dfinal_state + states_at(1, 0), me_, a_.n, dh_);
    }
  }

  __device__ void write_first_dstate() {
    if (!active_ || a_.dstate == nullptr) return;
    float* to = a_.dstate + states_at(1, 0);
    if (a_.dstate_accumulates) {
      float before[kStates];
      read_states(to, me_, a_.n, before);
#pragma unroll
      for (int k = 0; k < kStates; ++k) dh_[k] += before[k];
    }
    write_states(to, me_, a_.n, dh_);
  }

  /// The state that enters a tile, one tile ahead.
  __device__ void read_next_state(int tile) {
    if (!active_ || tile < 0) return;
    read_states(a_.chunk_states + states_at(a_.tiles, first_tile_ + tile), me_, a_.n, next_);
  }

  __device__ void load(int tile) {
    const int stage = tile % Traits::kStages, count = rows(tile);
    const auto load_rows = [&](T* to, const BlockRows<const T>& from) {
      load_tile<Traits, Traits::kChannels, Traits::kRow>(
          to, from.template tile<Traits::kTile>(tile), from.row_stride, count, columns_,
          a_.vector_rows);
    };
    const auto load_group = [&](T* to, const BlockRows<const T>& from) {
      load_tile<Traits, Traits::kN, Traits::kN>(to, from.template tile<Traits::kTile>(tile),
                                                from.row_stride, count, a_.n, a_.vector_states);
    };
    switch (threadIdx.x / 32) {
      case 0:
        load_rows(tiles_.delta[stage], tiles_.delta_rows);
        load_group(tiles_.C[stage], tiles_.C_rows);
        break;
      case 1:
        load_rows(tiles_.dy[stage], tiles_.dy_rows);
        break;
      case 2:
        if (a_.z.data != nullptr) load_rows(tiles_.z[stage], tiles_.z_rows);
        break;
      default:
        if (kFirst) break;
        load_rows(tiles_.u[stage], tiles_.u_rows);
        load_group(tiles_.B[stage], tiles_.B_rows);
    }
    commit_copies();
  }

  /// Widens B and C and computes dt, dt u and g, two channels at a time. Positions beyond the end
  /// change nothing.
  __device__ void prepare(int tile, int stage) {
    widen_tile<Traits>(tiles_.C[stage], tiles_.wide_C);
    if (!kFirst) widen_tile<Traits>(tiles_.B[stage], tiles_.wide_B);
    const int column = Traits::prepared_column(), count = rows(tile);
    const auto pairs_of = [&](int row) {
      return reinterpret_cast<float4*>(tiles_.pairs + row * Traits::kChannels + column);
    };
    const auto g_of = [&](int row) {
      return reinterpret_cast<float2*>(tiles_.g + row * Traits::kChannels + column);
    };
#pragma unroll
    for (int k = 0; k < Traits::kTile / Traits::kPreparedStep; ++k) {
      const int row = Traits::prepared_row() + k * Traits::kPreparedStep;
      const int from = row * Traits::kRow + column;
      const float2 x = load_two(tiles_.delta[stage] + from);
      const float2 u = load_two(tiles_.u[stage] + from);
      const float2 dy = load_two(tiles_.dy[stage] + from);
      const float2 z = load_two(tiles_.z[stage] + from);
      const float dt0 = softplus<T>(x.x + prepared_bias_.x, limit_);
      const float dt1 = softplus<T>(x.y + prepared_bias_.y, limit_);
      const float gate0 = select(a_.z.data != nullptr, z.x * sigmoid<T>(z.x), 1.f);
      const float gate1 = select(a_.z.data != nullptr, z.y * sigmoid<T>(z.y), 1.f);
      *pairs_of(row) = make_float4(dt0, dt0 * u.x, dt1, dt1 * u.y);
      *g_of(row) = make_float2(dy.x * gate0, dy.y * gate1);
    }
    if (count == Traits::kTile) return;
    for (int row = Traits::prepared_row(); row < Traits::kTile; row += Traits::kPreparedStep) {
      if (row < count) continue;
      *pairs_of(row) = make_float4(0, 0, 0, 0);
      *g_of(row) = make_float2(0, 0);
    }
  }

  __device__ float2 pair(int t) const {
    return tiles_.pairs[t * Traits::kChannels + me_.channel];
  }
  __device__ static bool resets_at(unsigned resets, int t) {
    return (resets >> t & 1u) != 0;
  }

  /// h[t] from h[t-1].
  template <bool kResets>
  __device__ void advance(int t, int stage, unsigned resets, float (&h)[kStates],
                          float (&decays)[kStates]) const {
    const float2 p = pair(t);
    const bool reset = kResets && resets_at(resets, t);
#pragma unroll
    for (int j = 0; j < Traits::kQuads; ++j) {
      const float4 B =
          *reinterpret_cast<const float4*>(tiles_.B_of(stage) + t * Traits::kN + me_.state(j));
      const float b[4] = {B.x, B.y, B.z, B.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int k = 4 * j + i;
        decays[k] = exponents_.decay(p.x, k);
        h[k] = fmaf(decays[k], reset ? 0.f : h[k], p.y * b[i]);
      }
    }
  }

  template <bool kResets>
  __device__ void walk(int tile, int stage, unsigned resets) {
    walk_states<kResets>(stage, resets);
#pragma unroll 1
    for (int sub = Traits::kSubs - 1; sub >= 0; --sub) {
      walk_back<kResets>(tile, stage, sub, resets);
    }
  }

  /// Leaves the states that enter sub-blocks 1, 2, ... in shared memory. Each thread reads back
  /// only what it wrote itself.
  template <bool kResets>
  __device__ void walk_states(int stage, unsigned resets) {
    float h[kStates], decays[kStates];
#pragma unroll
    for (int k = 0; k < kStates; ++k) h[k] = entering_[k];
#pragma unroll 1
    for (int sub = 0; sub + 1 < Traits::kSubs; ++sub) {
#pragma unroll 4
      for (int s = 0; s < kSub; ++s) advance<kResets>(sub * kSub + s, stage, resets, h, decays);
#pragma unroll
      for (int j = 0; j < Traits::kQuads; ++j) {
        tiles_.entering[sub][j][threadIdx.x] =
            make_float4(h[4 * j], h[4 * j + 1], h[4 * j + 2], h[4 * j + 3]);
      }
    }
  }

  /// The sub-block's states, and back through it.
  template <bool kResets>
  __device__ void walk_back(int tile, int stage, int sub, unsigned resets) {
    float h[kSub + 1][kStates];  // h[s] enters position s of the sub-block
    float decays[Traits::kKeepsDecays ? kSub : 1][kStates];
    if (sub == 0) {
#pragma unroll
      for (int k = 0; k < kStates; ++k) h[0][k] = entering_[k];
    } else {
#pragma unroll
      for (int j = 0; j < Traits::kQuads; ++j) {
        const float4 four = tiles_.entering[sub - 1][j][threadIdx.x];
        h[0][4 * j] = four.x, h[0][4 * j + 1] = four.y;
        h[0][4 * j + 2] = four.z, h[0][4 * j + 3] = four.w;
      }
    }
#pragma unroll
    for (int s = 0; s < kSub; ++s) {
#pragma unroll
      for (int k = 0; k < kStates; ++k) h[s + 1][k] = h[s][k];
      advance<kResets>(sub * kSub + s, stage, resets, h[s + 1],
                       decays[Traits::kKeepsDecays ? s : 0]);
    }
    float(*sums)[Traits::kSums] =
        tiles_.sums[sub % Traits::kSumStages][static_cast<int>(threadIdx.x) / 32];
    if (Traits::kSumStages == 1) __syncthreads();  // the sums before have been read
#pragma unroll
    for (int four = kSub / 4 - 1; four >= 0; --four) {
      StateSums sum;
#pragma unroll
      for (int s = 3; s >= 0; --s) {
        const int at = 4 * four + s;
        step_back<kResets>({.t = sub * kSub + at, .in_four = s, .resets = resets}, stage, h[at],
                           h[at + 1], decays[Traits::kKeepsDecays ? at : 0], sum, sums[at]);
      }
      finish(tile, sub * kSub + 4 * four + me_.own_step(), stage, sum_over_parts<Traits>(sum.B),
             sum_over_parts<Traits>(sum.A), sum_over_parts<Traits>(sum.y));
    }
    __syncthreads();
    store_sums(tile, sub);
  }

  /// This thread's parts of the sums over states: B dh, A q and C h of four positions.
  struct StateSums {
    float B[4] = {}, A[4] = {}, y[4] = {};
  };
  struct Step {
    int t, in_four;
    unsigned resets;
  };

  template <bool kResets>
  __device__ void step_back(const Step& step, int stage, const float (&before)[kStates],
                            const float (&h)[kStates], const float (&decays)[kStates],
                            StateSums& sum, float* sums) {
    const float2 p = pair(step.t);
    const float g = tiles_.g[step.t * Traits::kChannels + me_.channel];
    const float dtu = p.y * ChannelSums::kDropped, more_g = g * ChannelSums::kDropped;
    const bool reset = kResets && resets_at(step.resets, step.t);
#pragma unroll
    for (int j = 0; j < Traits::kQuads; ++j) {
      const int at = step.t * Traits::kN + me_.state(j);
      const float4 B4 = *reinterpret_cast<const float4*>(tiles_.B_of(stage) + at);
      const float4 C4 = *reinterpret_cast<const float4*>(tiles_.C_of(stage) + at);
      const float B[4] = {B4.x, B4.y, B4.z, B4.w}, C[4] = {C4.x, C4.y, C4.z, C4.w};
      float products[8];  // dB, dC
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int k = 4 * j + i;
        const float dh = fmaf(C[i], g, dh_[k]);
        products[i] = dtu * dh;
        products[4 + i] = more_g * h[k];
        sum.y[step.in_four] = fmaf(C[i], h[k], sum.y[step.in_four]);
        sum.B[step.in_four] = fmaf(B[i], dh, sum.B[step.in_four]);
        const float decay = Traits::kKeepsDecays ? decays[k] : exponents_.decay(p.x, k);
        const float through = reset ? 0.f : decay * dh;
        const float q = through * (reset ? 0.f : before[k]);
        sum.A[step.in_four] = fmaf(exponents_.value[k], q, sum.A[step.in_four]);
        dA_[k] = fmaf(p.x, q, dA_[k]);
        dh_[k] = through;
      }
      channel_sums_.add(products, sums + j * 4 * Traits::kLanes);
    }
  }

  /// du, ddelta and dz of one position and channel, from the sums over its states. No branches.
  __device__ void finish(int tile, int t, int stage, float sum_B, float sum_A, float sum_y) {
    const int at = t * Traits::kRow + me_.channel;
    const float g = tiles_.g[t * Traits::kChannels + me_.channel];
    const float dt = pair(t).x, u = to_float(tiles_.u[stage][at]);
    const float x = to_float(tiles_.delta[stage][at]) + bias_, slope = sigmoid<T>(x);
    float ddelta = fmaf(Exponents<T, kStates>::kScale, sum_A, sum_B * u);
    ddelta *= select(x <= limit_, slope, 1.f);
    const float z = to_float(tiles_.z[stage][at]), s = sigmoid<T>(z);
    const float dy = to_float(tiles_.dy[stage][at]);
    const float dz = dy * fmaf(D_, u, sum_y) * s * fmaf(z, 1.f - s, 1.f);
    if (!me_.finishes()) return;
    const bool inside = t < rows(tile);
    dD_ = inside ? fmaf(g, u, dD_) : dD_;
    dbias_ = inside ? dbias_ + ddelta : dbias_;
    tiles_.u[stage][at] = from_float<T>(fmaf(D_, g, sum_B * dt));
    tiles_.delta[stage][at] = from_float<T>(ddelta);
    tiles_.z[stage][at] = from_float<T>(dz);
  }

  /// Adds the warps' dB and dC of a sub-block, in order.
  __device__ void store_sums(int tile, int sub) {
    const int count = min(kSub, rows(tile) - sub * kSub), width = 2 * a_.n;
    const std::int64_t row = batch_ * a_.length + position(tile) + sub * kSub;
    float* to = a_.group_sums + (row * a_.channel_tiles + tile_of_channels_) * width;
    const int step = static_cast<int>(a_.channel_tiles) * width;
    const auto& sums = tiles_.sums[sub % Traits::kSumStages];
    if (a_.n == Traits::kN) {
      constexpr int kQuadsInRow = Traits::kSums / 4;
#pragma unroll
      for (int i = static_cast<int>(threadIdx.x); i < kSub * kQuadsInRow; i += Traits::kThreads) {
        const int s = i / kQuadsInRow, at = i % kQuadsInRow * 4;
        float4 sum = *reinterpret_cast<const float4*>(&sums[0][s][at]);
#pragma unroll
        for (int w = 1; w < Traits::kWarps; ++w) {
          const float4 own = *reinterpret_cast<const float4*>(&sums[w][s][at]);
          sum.x += own.x, sum.y += own.y, sum.z += own.z, sum.w += own.w;
        }
        if (s < count) {
          *reinterpret_cast<float4*>(to + static_cast<std::int64_t>(s) * step + at) = sum;
        }
      }
      return;
    }
    for (int i = static_cast<int>(threadIdx.x); i < count * Traits::kSums; i += Traits::kThreads) {
      const int s = i / Traits::kSums, at = i % Traits::kSums;
      const int which = at / Traits::kN, n = at % Traits::kN;
      if (n >= a_.n) continue;
      float sum = sums[0][s][at];
#pragma unroll
      for (int w = 1; w < Traits::kWarps; ++w) sum += sums[w][s][at];
      to[static_cast<std::int64_t>(s) * step + which * a_.n + n] = sum;
    }
  }

  /// Positions [0, end) of a tile: adds exp(A sum_dt) C g, sum_dt being the sum of dt from the
  /// start of the segment to the position.
  __device__ void walk_start(int stage, int end, float& sum_dt) {
#pragma unroll 4
    for (int t = 0; t < end; ++t) {
      const float g = tiles_.g[t * Traits::kChannels + me_.channel];
      sum_dt += pair(t).x;
#pragma unroll
      for (int j = 0; j < Traits::kQuads; ++j) {
        const float4 C4 =
            *reinterpret_cast<const float4*>(tiles_.C_of(stage) + t * Traits::kN + me_.state(j));
        const float C[4] = {C4.x, C4.y, C4.z, C4.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& dh = dh_[4 * j + i];
          dh = fmaf(exponents_.decay(sum_dt, 4 * j + i), C[i] * g, dh);
        }
      }
    }
  }

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

  /// dA of the run, and dD and ddelta_bias, which the lanes of a channel hold in parts.
  __device__ void write_sums() {
#pragma unroll
    for (int bit = 16; bit >= Traits::kWarpChannels; bit /= 2) {
      dD_ += __shfl_xor_sync(kAllLanes, dD_, bit);
      dbias_ += __shfl_xor_sync(kAllLanes, dbias_, bit);
    }
    if (!active_) return;
    write_states(a_.dA_sums + states_at(a_.segments, segment_), me_, a_.n, dA_);
    if (me_.part != 0) return;
    float* to = a_.channel_sums + (batch_ * a_.segments + segment_) * 2 * a_.channels + channel_;
    to[0] = dD_;
    to[a_.channels] = dbias_;
  }

  const BackwardArguments<T>& a_;
  BackwardTiles<Traits>& tiles_;
  ScanThread<Traits> me_;
  std::int64_t batch_, group_, tile_of_channels_, first_channel_, segment_, first_tile_, channel_;
  int columns_, tile_count_;
  bool active_;  // the channel exists
  float D_, limit_, bias_, dD_ = 0, dbias_ = 0;
  float2 prepared_bias_ = {0, 0};  // of the two channels that this thread prepares
  Exponents<T, kStates> exponents_;
  float dA_[kStates], dh_[kStates], entering_[kStates], next_[kStates];
  std::conditional_t<Traits::kSumsByMatrix, MatrixSums<Traits>, ShuffledSums<Traits>> channel_sums_;
};

template <class Traits, bool kFirst>
__global__ void __launch_bounds__(Traits::kThreads, Traits::kStates == 4 ? 3 : 2)
    selective_scan_backward_kernel(
        const __grid_constant__ BackwardArguments<typename Traits::T> a) {
  extern __shared__ __align__(16) unsigned char shared[];
  BackwardBlock<Traits, kFirst> block(a, *reinterpret_cast<BackwardTiles<Traits>*>(shared));
  if constexpr (kFirst) {
    block.run_start();
  } else {
    block.run();
  }
}

template <class T>
Output<T> output_of(const Gradient& gradient) {
  if (!gradient.wanted()) return {};
  return {rows_of<T>(gradient.tensor), gradient.accumulates()};
}

template <class T>
void add_sums(const SelectiveScanBackward& s, const BackwardArguments<T>& a,
              const ExecutionContext& ctx) {
  const std::int64_t batch = s.forward.u.size(0), groups = s.forward.B.size(2);
  if (s.dB.wanted() || s.dC.wanted()) {
    add_group_sums<T>({.sums = a.group_sums,
                       .length = a.length,
                       .groups = groups,
                       .count = batch * a.length * groups * 2 * a.n,
                       .tiles = a.group_tiles,
                       .n = a.n,
                       .dB = output_of<T>(s.dB),
                       .dC = output_of<T>(s.dC)},
                      ctx);
  }
  const auto add = [&](const Gradient& to, const float* sums, std::int64_t count,
                       std::int64_t stride) {
    if (!to.wanted()) return;
    add_run_sums({.sums = sums,
                  .to = device_data<float>(to.tensor),
                  .count = count,
                  .runs = batch * a.segments,
                  .stride = stride,
                  .accumulate = to.accumulates()},
                 ctx);
  };
  add(s.dA, a.dA_sums, a.channels * a.n, a.channels * a.n);
  add(s.dD, a.channel_sums, a.channels, 2 * a.channels);
  add(s.ddelta_bias, a.channel_sums + a.channels, a.channels, 2 * a.channels);
}

template <class Traits>
void launch(const SelectiveScanBackward& s, BackwardArguments<typename Traits::T> a,
            const ExecutionContext& ctx) {
  constexpr std::size_t kShared = sizeof(BackwardTiles<Traits>);
  static_assert(kShared <= kMostSharedBytes);
  const auto kernel = selective_scan_backward_kernel<Traits, false>;
  const auto first = selective_scan_backward_kernel<Traits, true>;
  static const ScanDevice device(reinterpret_cast<const void*>(kernel), kShared);
  static const ScanDevice first_device(reinterpret_cast<const void*>(first), kShared);
  const std::int64_t batch = s.forward.u.size(0);
  const ScanPlan plan = scan_plan({.batch = batch,
                                   .length = a.length,
                                   .channels = a.channels,
                                   .groups = s.forward.B.size(2),
                                   .states = a.n},
                                  device.multiprocessors, device.resident_blocks);
  a.tiles = plan.tiles, a.channel_tiles = plan.channel_tiles, a.segments = plan.segments;
  a.segment_tiles = plan.segment_tiles;
  a.group_tiles = static_cast<int>(ceil_div(a.group_channels, Traits::kChannels));
  const std::int64_t states = a.channels * a.n, joined = plan.segments - 1;
  const Scratch<float> group_sums(batch * a.length * plan.channel_tiles * 2 * a.n, ctx),
      dA_sums(batch * plan.segments * states, ctx),
      channel_sums(batch * plan.segments * 2 * a.channels, ctx),
      dstates(batch * joined * states, ctx), decays(batch * joined * states, ctx);
  a.group_sums = group_sums.data(), a.dA_sums = dA_sums.data();
  a.channel_sums = channel_sums.data();
  a.segment_dstates = dstates.data(), a.segment_decays = decays.data();
  const auto grid = [&](std::int64_t segments) {
    return dim3(static_cast<unsigned>(batch * plan.channel_tiles), static_cast<unsigned>(segments));
  };
  if (joined > 0) {
    first<<<grid(joined), Traits::kThreads, kShared, stream_of(ctx)>>>(a);
    KRAIT_CUDA_CHECK_LAUNCH("selective_scan_backward_kernel");
    join_segments({.values = dstates.data(),
                   .decays = decays.data(),
                   .batch = batch,
                   .segments = joined,
                   .states = states,
                   .backward = true},
                  ctx);
  }
  kernel<<<grid(plan.segments), Traits::kThreads, kShared, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("selective_scan_backward_kernel");
  add_sums(s, a, ctx);
}

bool rows_are_vectorisable(const SelectiveScanBackward& s, std::int64_t group_channels) {
  const SelectiveScanForward& f = s.forward;
  for (const Tensor& t : {f.u, f.delta, f.z, s.dy}) {
    if (!is_vectorisable(t, group_channels)) return false;
  }
  for (const Gradient& g : {s.du, s.ddelta, s.dz}) {
    if (g.wanted() && !is_vectorisable(g.tensor, group_channels)) return false;
  }
  return true;
}

template <class T>
void run(const SelectiveScanBackward& s, const ExecutionContext& ctx) {
  const SelectiveScanForward& f = s.forward;
  const std::int64_t n = f.A.size(1), groups = f.B.size(2), channels = f.u.size(2);
  const std::int64_t group_channels = channels / groups;
  BackwardArguments<T> a{.u = rows_of<const T>(f.u),
                         .delta = rows_of<const T>(f.delta),
                         .z = rows_of<const T>(f.z),
                         .B = rows_of<const T>(f.B),
                         .C = rows_of<const T>(f.C),
                         .dy = rows_of<const T>(s.dy),
                         .du = output_of<T>(s.du),
                         .ddelta = output_of<T>(s.ddelta),
                         .dz = output_of<T>(s.dz),
                         .A = device_data<float>(f.A),
                         .D = device_data<float>(f.D),
                         .delta_bias = device_data<float>(f.delta_bias),
                         .chunk_states = device_data<float>(f.chunk_states),
                         .dfinal_state = device_data<float>(s.dfinal_state),
                         .sequence_ids = device_data<std::int32_t>(f.sequence_ids),
                         .length = f.u.size(1),
                         .channels = channels,
                         .group_channels = static_cast<int>(group_channels),
                         .n = static_cast<int>(n),
                         .softplus = f.delta_softplus,
                         .vector_rows = rows_are_vectorisable(s, group_channels),
                         .vector_states = is_vectorisable(f.B, n) && is_vectorisable(f.C, n)};
  a.dstate = s.dinitial_state.wanted() ? device_data<float>(s.dinitial_state.tensor) : nullptr;
  a.dstate_accumulates = s.dinitial_state.accumulates();
  const ScanLayout layout = scan_layout(n);
  if (layout.padded_states() == 16) {
    launch<BackwardTraits<ScanTraits<T, 4, 4>>>(s, a, ctx);
  } else if (layout.padded_states() == 64) {
    launch<BackwardTraits<ScanTraits<T, 16, 4>>>(s, a, ctx);
  } else {
    launch<BackwardTraits<ScanTraits<T, 16, 16>>>(s, a, ctx);
  }
}

}  // namespace

void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx) {
  const SelectiveScanForward& f = args.forward;
  if (!f.chunk_states.defined()) {  // the forward pass again, for the states alone
    const std::int64_t tiles = ceil_div(f.u.size(1), kScanTile);
    SelectiveScanBackward with = args;
    with.forward.chunk_states =
        Tensor::empty({f.u.size(0), tiles, f.u.size(2), f.A.size(1)}, DType::F32, f.u.device());
    with.forward.y = with.forward.final_state = Tensor();
    krait::cuda::selective_scan_forward(with.forward, ctx);
    return krait::cuda::selective_scan_backward(with, ctx);
  }
  visit_device_float(f.u.dtype(), "selective_scan",
                     [&](auto zero) { run<decltype(zero)>(args, ctx); });
}

}  // namespace krait::cuda
