// Selective scan, forward.
//
// The map of threads and the tiles are described in scan.cuh. For each tile of 64 positions the
// block turns delta and u into (dt, dt u) pairs, every softplus computed once; then each thread
// walks the tile four positions at a time:
//   h = exp2(dt A log2 e) h + dt u B,   partial y = sum over its states of C h
// and the four partial sums are added across the lanes of the channel, each lane finishing one
// position (D u, gate, rounding). The exponentials do not depend on the recurrence.
//
// Bytes per element of u, bf16: u, delta, z read, y written, 8; B and C are shared by all channels
// of a group; n / 8 for the states that enter chunks, when they are asked for.
//
// What bounds it, n = 16: 11 instructions per state update (5 of them the two formulas, 1.1 the
// softplus), at two thirds of the issue slots; and within the walk the special-function unit (16
// results per clock and multiprocessor), which has 1.19 of them: 0.115 ms for 403 M updates at 1.98
// GHz. DRAM is a quarter busy.
//
// Long sequences of few channels are cut into segments (plan.h). A first launch finds the final
// states of the segments from a zero start, h = sum_t exp(A S_t) dt_t u_t B_t with S_t the sum of
// dt after t, from the end backwards until the exponential of every state is zero: earlier
// positions cannot contribute. A scan over segments joins the states; a second launch walks all
// segments from their true incoming states.
#include "core/stream/scratch.h"
#include "kernels/cuda/selective_scan/scan.cuh"
#include "kernels/selective_scan.h"

namespace krait::cuda {
namespace {

template <class T>
struct ForwardArguments {
  Rows<const T> u, delta, z, B, C;
  Rows<T> y;
  const float *A, *D, *delta_bias, *initial_state;
  float *final_state, *chunk_states;
  const std::int32_t* sequence_ids;
  std::int64_t length, channels, chunks, channel_tiles, tiles, segments, segment_tiles;
  int group_channels, group_tiles, n;
  bool softplus, vector_rows, vector_states;
  // (b, segments - 1, d, n): each segment's final state from a zero start, and the decay that the
  // segment applies to an incoming state
  float *segment_ends, *segment_decays;
};

template <class Traits>
struct ForwardTiles {
  using T = typename Traits::T;
  static constexpr bool kWidens = sizeof(T) == 2;
  alignas(16) T u[Traits::kStages][Traits::kRows];
  alignas(16) T delta[Traits::kStages][Traits::kRows];
  alignas(16) T z[Traits::kStages][Traits::kRows];  // then y
  alignas(16) T B[Traits::kStages][Traits::kTile * Traits::kN];
  alignas(16) T C[Traits::kStages][Traits::kTile * Traits::kN];
  alignas(16) float wide_B[kWidens ? Traits::kTile * Traits::kN : 4];  // of bf16
  alignas(16) float wide_C[kWidens ? Traits::kTile * Traits::kN : 4];
  alignas(16) float2 pairs[Traits::kTile * Traits::kChannels];  // (dt, dt u)
  // addresses of the block's arrays, in shared memory because registers are scarce
  BlockRows<const T> u_rows, delta_rows, z_rows, B_rows, C_rows;
  BlockRows<T> y_rows;

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
class ForwardBlock {
  using T = typename Traits::T;
  static constexpr int kChunks = Traits::kTile / kScanTile;

 public:
  __device__ ForwardBlock(const ForwardArguments<T>& a, ForwardTiles<Traits>& tiles)
      : a_(a), tiles_(tiles) {
    const std::int64_t tile = blockIdx.x % a.channel_tiles;
    batch_ = blockIdx.x / a.channel_tiles;
    group_ = tile / a.group_tiles;
    const int in_group = static_cast<int>(tile % a.group_tiles) * Traits::kChannels;
    first_channel_ = group_ * a.group_channels + in_group;
    columns_ = min(Traits::kChannels, a.group_channels - in_group);
    segment_ = blockIdx.y;
    first_tile_ = segment_ * a.segment_tiles;
    tile_count_ = static_cast<int>(min(a.segment_tiles, a.tiles - first_tile_));
    active_ = me_.channel < columns_;
    channel_ = first_channel_ + (active_ ? me_.channel : 0);
    D_ = a.D != nullptr ? a.D[channel_] : 0.f;
    limit_ = a.softplus ? kSoftplusLimit : -HUGE_VALF;
#pragma unroll
    for (int k = 0; k < Traits::kStates; ++k) {
      const int n = me_.state(k / 4) + k % 4;
      exponents_.set(k, active_ && n < a.n ? a.A[channel_ * a.n + n] : 0.f);
    }
    const int column = Traits::prepared_column();
    if (a.delta_bias != nullptr) {
      if (column < columns_) bias_.x = a.delta_bias[first_channel_ + column];
      if (column + 1 < columns_) bias_.y = a.delta_bias[first_channel_ + column + 1];
    }
    if (threadIdx.x == 0) place_rows();
    __syncthreads();
  }

  /// The segment's outputs.
  __device__ void run() {
    read_first_state();
    load(0);
    for (int i = 0; i < tile_count_; ++i) {
      const int stage = i % Traits::kStages;
      wait_for_copies();
      __syncthreads();  // tile i is here, and everybody is done with tile i - 1
      if (Traits::kStages > 1 && i > 0) store(i - 1);
      prepare(i, stage);
      __syncthreads();
      if (Traits::kStages > 1 && i + 1 < tile_count_) load(i + 1);
#pragma unroll 1
      for (int chunk = 0; chunk < kChunks && rows(i) > chunk * kScanTile; ++chunk) {
        if (a_.chunk_states != nullptr) write_chunk_state(i, chunk);
        const unsigned resets = resets_of(i, chunk);
        if (resets != 0) {
          walk<true>(chunk * kScanTile, stage, resets);
        } else {
          walk<false>(chunk * kScanTile, stage, 0);
        }
      }
      if (Traits::kStages == 1) {
        __syncthreads();
        store(i);
        __syncthreads();
        if (i + 1 < tile_count_) load(i + 1);
      }
    }
    if (Traits::kStages > 1) {
      __syncthreads();
      store(tile_count_ - 1);
    }
    if (active_ && segment_ + 1 == a_.segments && a_.final_state != nullptr) {
      write_states(a_.final_state + states_at(1, 0), me_, a_.n, h_);
    }
  }

  /// The segment's final state from a zero start (from the initial state in the first segment), and
  /// the decay that the segment applies to an incoming state.
  __device__ void run_end() {
#pragma unroll
    for (float& h : h_) h = 0;
    float lost[Traits::kStates] = {};
    SumOf<T> sum_dt = 0;
    bool cut = false;  // nothing from before counts
    load(tile_count_ - 1);
    for (int i = tile_count_ - 1; i >= 0 && !cut; --i) {
      const int stage = i % Traits::kStages;
      wait_for_copies();
      __syncthreads();
      prepare(i, stage);
      __syncthreads();
      if (Traits::kStages > 1 && i > 0) load(i - 1);
      unsigned resets = 0;
#pragma unroll 1
      for (int chunk = kChunks - 1; chunk >= 0 && resets == 0; --chunk) {
        resets = resets_of(i, chunk);
        walk_end(chunk * kScanTile, stage, resets == 0 ? 0 : 31 - __clz(static_cast<int>(resets)),
                 sum_dt, lost);
      }
      bool alive = false;
#pragma unroll
      for (int k = 0; k < Traits::kStates; ++k) {
        const int n = me_.state(k / 4) + k % 4;
        alive = alive || (active_ && n < a_.n && exponents_.remaining(sum_dt, k) != 0);
      }
      cut = __syncthreads_or(alive) == 0 || resets != 0;
      if (Traits::kStages == 1 && i > 0 && !cut) load(i - 1);
    }
    wait_for_copies();
    if (!active_) return;
    float decay[Traits::kStates];
#pragma unroll
    for (int k = 0; k < Traits::kStates; ++k)
      decay[k] = cut ? 0.f : exponents_.remaining(sum_dt, k);
    if (segment_ == 0 && a_.initial_state != nullptr && !cut) {
      float initial[Traits::kStates];
      read_states(a_.initial_state + states_at(1, 0), me_, a_.n, initial);
#pragma unroll
      for (int k = 0; k < Traits::kStates; ++k) h_[k] = fmaf(decay[k], initial[k], h_[k]);
    }
    const std::int64_t at = states_at(a_.segments - 1, segment_);
    write_states(a_.segment_ends + at, me_, a_.n, h_);
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
      if (from.data == nullptr) return;
      to = {from.at(batch_, t) + first_channel_, static_cast<int>(from.row_stride)};
    };
    const auto of_group = [&](auto& to, const auto& from) {
      to = {from.at(batch_, t, group_), static_cast<int>(from.row_stride)};
    };
    of_channels(tiles_.u_rows, a_.u), of_channels(tiles_.delta_rows, a_.delta);
    of_channels(tiles_.z_rows, a_.z), of_channels(tiles_.y_rows, a_.y);
    of_group(tiles_.B_rows, a_.B), of_group(tiles_.C_rows, a_.C);
  }

  __device__ std::int64_t position(int tile) const {
    return (first_tile_ + tile) * Traits::kTile;
  }
  __device__ int rows(int tile) const {
    return static_cast<int>(min(std::int64_t{Traits::kTile}, a_.length - position(tile)));
  }

  __device__ unsigned resets_of(int tile, int chunk) const {
    if (a_.sequence_ids == nullptr) return 0;
    return reset_mask(a_.sequence_ids + batch_ * a_.length, position(tile) + chunk * kScanTile,
                      rows(tile) - chunk * kScanTile);
  }

  /// The state that enters a chunk.
  __device__ void write_chunk_state(int tile, int chunk) {
    if (!active_) return;
    const std::int64_t index = (first_tile_ + tile) * kChunks + chunk;
    write_states(a_.chunk_states + states_at(a_.chunks, index), me_, a_.n, h_);
  }

  __device__ void read_first_state() {
#pragma unroll
    for (float& h : h_) h = 0;
    if (!active_) return;
    if (segment_ > 0) {
      read_states(a_.segment_ends + states_at(a_.segments - 1, segment_ - 1), me_, a_.n, h_);
    } else if (a_.initial_state != nullptr) {
      read_states(a_.initial_state + states_at(1, 0), me_, a_.n, h_);
    }
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
        load_rows(tiles_.u[stage], tiles_.u_rows);
        break;
      case 1:
        load_rows(tiles_.delta[stage], tiles_.delta_rows);
        break;
      case 2:
        if (a_.z.data != nullptr && !kFirst) load_rows(tiles_.z[stage], tiles_.z_rows);
        break;
      default:
        load_group(tiles_.B[stage], tiles_.B_rows);
        if (!kFirst) load_group(tiles_.C[stage], tiles_.C_rows);
    }
    commit_copies();
  }

  /// Widens B and C and computes the pairs, two channels at a time. Positions beyond the end leave
  /// the state as it is.
  __device__ void prepare(int tile, int stage) {
    widen_tile<Traits>(tiles_.B[stage], tiles_.wide_B);
    if (!kFirst) widen_tile<Traits>(tiles_.C[stage], tiles_.wide_C);
    const int column = Traits::prepared_column(), count = rows(tile);
    const auto pairs_of = [&](int row) {
      return reinterpret_cast<float4*>(tiles_.pairs + row * Traits::kChannels + column);
    };
#pragma unroll 4
    for (int k = 0; k < Traits::kTile / Traits::kPreparedStep; ++k) {
      const int row = Traits::prepared_row() + k * Traits::kPreparedStep;
      const float2 x = load_two(tiles_.delta[stage] + row * Traits::kRow + column);
      const float2 u = load_two(tiles_.u[stage] + row * Traits::kRow + column);
      const float dt0 = softplus<T>(x.x + bias_.x, limit_);
      const float dt1 = softplus<T>(x.y + bias_.y, limit_);
      *pairs_of(row) = make_float4(dt0, dt0 * u.x, dt1, dt1 * u.y);
    }
    if (count == Traits::kTile) return;
    for (int row = Traits::prepared_row(); row < Traits::kTile; row += Traits::kPreparedStep) {
      if (row >= count) *pairs_of(row) = make_float4(0, 0, 0, 0);
    }
  }

  /// The sums of four positions are finished while the next four are walked. Positions beyond the
  /// end are walked as well: they change nothing, and the loop has no remainder.
  template <bool kResets>
  __device__ void walk(int begin, int stage, unsigned resets) {
    constexpr int kUnroll = Traits::kStates == 4 ? 4 : 2;
    float before[4] = {};
#pragma unroll kUnroll
    for (int group = 0; group < kScanTile; group += 4) {
      float partial[4];
      advance<kResets>(begin, group, stage, resets, partial);
      // Nothing is finished in the first round: it reads a position of its own that comes later.
      finish(begin + max(group - 4, 0) + me_.own_step(), group > 0, stage,
             sum_over_parts<Traits>(before));
#pragma unroll
      for (int s = 0; s < 4; ++s) before[s] = partial[s];
    }
    finish(begin + kScanTile - 4 + me_.own_step(), true, stage, sum_over_parts<Traits>(before));
  }

  /// Four positions: the states, and this thread's part of sum C h.
  template <bool kResets>
  __device__ void advance(int begin, int group, int stage, unsigned resets, float (&partial)[4]) {
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const int t = begin + group + s;
      const float2 pair = tiles_.pairs[t * Traits::kChannels + me_.channel];
      const bool reset = kResets && (resets >> (group + s) & 1u) != 0;
      partial[s] = 0;
#pragma unroll
      for (int j = 0; j < Traits::kQuads; ++j) {
        const int at = t * Traits::kN + me_.state(j);
        const float4 B = *reinterpret_cast<const float4*>(tiles_.B_of(stage) + at);
        const float4 C = *reinterpret_cast<const float4*>(tiles_.C_of(stage) + at);
        const float b[4] = {B.x, B.y, B.z, B.w}, c[4] = {C.x, C.y, C.z, C.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& h = h_[4 * j + i];
          const float enters = reset ? 0.f : h;
          h = fmaf(exponents_.decay(pair.x, 4 * j + i), enters, pair.y * b[i]);
          partial[s] = fmaf(c[i], h, partial[s]);
        }
      }
    }
  }

  /// Positions of a chunk from its end to its `first` one: adds exp(A sum_dt) dt u B, sum_dt being
  /// the sum of dt from the position to the end of the segment.
  __device__ void walk_end(int begin, int stage, int first, SumOf<T>& sum_dt,
                           float (&lost)[Traits::kStates]) {
#pragma unroll 4
    for (int t = begin + kScanTile - 1; t >= begin + first; --t) {
      const float2 pair = tiles_.pairs[t * Traits::kChannels + me_.channel];
#pragma unroll
      for (int j = 0; j < Traits::kQuads; ++j) {
        const float4 B =
            *reinterpret_cast<const float4*>(tiles_.B_of(stage) + t * Traits::kN + me_.state(j));
        const float b[4] = {B.x, B.y, B.z, B.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int k = 4 * j + i;
          add_to_long_sum<T>(exponents_.remaining(sum_dt, k), pair.y * b[i], h_[k], lost[k]);
        }
      }
      sum_dt += pair.x;
    }
  }

  /// y of one position of the channel, if it `counts`. Without branches: what does not count reads
  /// all the same, but nothing that another lane writes.
  __device__ void finish(int t, bool counts, int stage, float sum) {
    const int at = t * Traits::kRow + me_.channel;
    const float z = to_float((me_.finishes() ? tiles_.z : tiles_.u)[stage][at]);
    const float gate = z * sigmoid<T>(z);
    const float y = fmaf(D_, to_float(tiles_.u[stage][at]), sum);
    if (counts && me_.finishes()) {
      tiles_.z[stage][at] = from_float<T>(y * select(a_.z.data != nullptr, gate, 1.f));
    }
  }

  __device__ void store(int tile) {
    if (a_.y.data == nullptr) return;
    store_tile<Traits, Traits::kThreads>(
        tiles_.z[tile % Traits::kStages], tiles_.y_rows.template tile<Traits::kTile>(tile),
        tiles_.y_rows.row_stride, rows(tile), columns_, a_.vector_rows, false);
  }

  const ForwardArguments<T>& a_;
  ForwardTiles<Traits>& tiles_;
  ScanThread<Traits> me_;
  std::int64_t batch_, group_, first_channel_, segment_, first_tile_, channel_;
  int columns_, tile_count_;
  bool active_;  // the channel exists
  float D_, limit_;
  float2 bias_ = {0, 0};  // of the two channels that this thread prepares
  Exponents<T, Traits::kStates> exponents_;
  float h_[Traits::kStates];
};

template <class Traits, bool kFirst>
__global__ void __launch_bounds__(Traits::kThreads, Traits::kStates == 4 ? 3 : 2)
    selective_scan_forward_kernel(const __grid_constant__ ForwardArguments<typename Traits::T> a) {
  extern __shared__ __align__(16) unsigned char shared[];
  ForwardBlock<Traits, kFirst> block(a, *reinterpret_cast<ForwardTiles<Traits>*>(shared));
  if constexpr (kFirst) {
    block.run_end();
  } else {
    block.run();
  }
}

/// What the current device can do with the kernels.
template <class Traits>
struct ForwardDevice {
  static constexpr std::size_t kShared = sizeof(ForwardTiles<Traits>);
  static_assert(kShared <= kMostSharedBytes);
  static ScanDevice allow(void (*kernel)(ForwardArguments<typename Traits::T>)) {
    return {reinterpret_cast<const void*>(kernel), kShared};
  }
  ScanDevice first = allow(selective_scan_forward_kernel<Traits, true>);
  ScanDevice whole = allow(selective_scan_forward_kernel<Traits, false>);
};

template <class Traits>
void launch(ForwardArguments<typename Traits::T> a, std::int64_t batch,
            const ExecutionContext& ctx) {
  constexpr std::size_t kShared = ForwardDevice<Traits>::kShared;
  const auto kernel = selective_scan_forward_kernel<Traits, false>;
  const auto first = selective_scan_forward_kernel<Traits, true>;
  const ScanDevice& device = per_device<ForwardDevice<Traits>>(ctx.device).whole;
  const ScanPlan plan = scan_plan({.batch = batch,
                                   .length = a.length,
                                   .channels = a.channels,
                                   .groups = a.channels / a.group_channels,
                                   .states = a.n,
                                   .tile = Traits::kTile},
                                  device.multiprocessors, device.resident_blocks);
  a.tiles = plan.tiles, a.channel_tiles = plan.channel_tiles, a.segments = plan.segments;
  a.segment_tiles = plan.segment_tiles;
  a.group_tiles = static_cast<int>(ceil_div(a.group_channels, Traits::kChannels));
  const auto grid = [&](std::int64_t segments) {
    return dim3(static_cast<unsigned>(batch * plan.channel_tiles), static_cast<unsigned>(segments));
  };
  const std::int64_t states = a.channels * a.n, joined = plan.segments - 1;
  const Scratch<float> ends(batch * joined * states, ctx), decays(batch * joined * states, ctx);
  if (joined > 0) {
    a.segment_ends = ends.data(), a.segment_decays = decays.data();
    first<<<grid(joined), Traits::kThreads, kShared, stream_of(ctx)>>>(a);
    KRAIT_CUDA_CHECK_LAUNCH("selective_scan_forward_kernel");
    join_segments({.values = ends.data(),
                   .decays = decays.data(),
                   .batch = batch,
                   .segments = joined,
                   .states = states,
                   .backward = false},
                  ctx);
  }
  kernel<<<grid(plan.segments), Traits::kThreads, kShared, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("selective_scan_forward_kernel");
}

template <class T>
void run(const SelectiveScanForward& s, const ExecutionContext& ctx) {
  const std::int64_t n = s.A.size(1), groups = s.B.size(2), channels = s.u.size(2);
  const std::int64_t group_channels = channels / groups;
  ForwardArguments<T> a{.u = rows_of<const T>(s.u),
                        .delta = rows_of<const T>(s.delta),
                        .z = rows_of<const T>(s.z),
                        .B = rows_of<const T>(s.B),
                        .C = rows_of<const T>(s.C),
                        .y = rows_of<T>(s.y),
                        .A = device_data<float>(s.A),
                        .D = device_data<float>(s.D),
                        .delta_bias = device_data<float>(s.delta_bias),
                        .initial_state = device_data<float>(s.initial_state),
                        .final_state = device_data<float>(s.final_state),
                        .chunk_states = device_data<float>(s.chunk_states),
                        .sequence_ids = device_data<std::int32_t>(s.sequence_ids),
                        .length = s.u.size(1),
                        .channels = channels,
                        .chunks = ceil_div(s.u.size(1), kScanTile),
                        .group_channels = static_cast<int>(group_channels),
                        .n = static_cast<int>(n),
                        .softplus = s.delta_softplus,
                        .vector_rows = is_vectorisable(s.u, group_channels) &&
                                       is_vectorisable(s.delta, group_channels) &&
                                       is_vectorisable(s.z, group_channels) &&
                                       is_vectorisable(s.y, group_channels),
                        .vector_states = is_vectorisable(s.B, n) && is_vectorisable(s.C, n)};
  const std::int64_t batch = s.u.size(0);
  const ScanLayout layout = scan_layout(n);
  if (layout.padded_states() == 16) {
    launch<ScanTraits<T, 4, 4, 2 * kScanTile>>(a, batch, ctx);
  } else if (layout.padded_states() == 64) {
    launch<ScanTraits<T, 16, 4, 2 * kScanTile>>(a, batch, ctx);
  } else {
    launch<ScanTraits<T, 16, 16>>(a, batch, ctx);
  }
}

}  // namespace

void selective_scan_forward(const SelectiveScanForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.u.dtype(), "selective_scan",
                     [&](auto zero) { run<decltype(zero)>(args, ctx); });
}

}  // namespace krait::cuda
