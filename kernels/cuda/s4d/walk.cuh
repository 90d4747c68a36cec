// What the kernels of S4D that walk through time share: the map of threads, and how tiles come and
// go.
//
// Map. A block of 4 warps owns one batch entry, 128 / kLanes neighbouring channels and a segment of
// the positions, which it walks in tiles of kTile. kLanes lanes share a channel and keep 4 of its
// modes each in registers: state, a and K. Within a warp the channel is the fast index (lane %
// channels), so that a warp reads neighbouring words of shared memory. Modes 4 part .. 4 part + 3
// belong to lane `part` of the channel; those beyond n have K = 0 and nothing to decay.
//
// Tiles lie in shared memory as f32 rows. A thread brings and takes one piece of each tile: half of
// a row, by accesses of up to 16 bytes where pointers, strides and the number of channels allow it,
// else element by element.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/stream/scratch.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/vector.cuh"
#include "kernels/cuda/device/warp.cuh"
#include "kernels/cuda/s4d/modes.cuh"
#include "kernels/cuda/s4d/plan.h"
#include "kernels/s4d/modes.h"

namespace krait::cuda::s4d {

template <class T_, bool kIsComplex, int kLanes_>
struct WalkTraits {
  using T = T_;
  using Number = std::conditional_t<kIsComplex, modes::Complex<float>, modes::Real<float>>;
  static constexpr bool kExact = is_exact<T>;  // the recurrence, see kernels/s4d.h
  static constexpr int kParts = Number::kParts;
  static constexpr int kLanes = kLanes_, kModes = kS4dModes;
  static constexpr int kThreads = kS4dThreads, kTile = kS4dTile;
  static constexpr int kChannels = kThreads / kLanes, kWarpChannels = 32 / kLanes;
  // 4 positions that a group of lanes finishes together must not lie in the same banks.
  static constexpr int kRow = kChannels + 8;
  // The piece of a thread.
  static constexpr int kPieces = kThreads / kTile;  // of a row
  static constexpr int kPiece = kChannels / kPieces;
  static constexpr int kWidth = std::min(kPiece, vector_width<T>);
  static constexpr int kVectors = kPiece / kWidth;
  static_assert(kPieces * kTile == kThreads && kPiece * kPieces == kChannels && kLanes >= 4);
};

/// A (b, l, d) array, channels dense; null when there is none.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0;
};
template <class T>
Rows<T> rows_of(const Tensor& t) {
  if (!t.defined()) return {};
  return {device_data<std::remove_const_t<T>>(t), t.stride(0), t.stride(1)};
}

/// Whether vectors of `width` elements fit everywhere in a (b, l, d) array.
template <class T>
bool fits_vectors(const Rows<T>& rows, std::int64_t channels, int width) {
  return rows.data == nullptr ||
         (is_vector_aligned(rows.data, sizeof(T), width) && rows.batch_stride % width == 0 &&
          rows.row_stride % width == 0 && channels % width == 0);
}

/// What is the same for every block of a walk.
struct WalkArguments {
  std::int64_t length, channels, tiles, channel_tiles, segments, segment_tiles;
  int n;
  bool vectors;                 // fit in all rows
  const float *decays, *gains;  // (d, n, parts): a - 1 or a, and K
  const float* D;               // (d) or null
  const std::int32_t* sequence_ids;
  int* resets;  // (b, segments): whether a segment has a reset, written by first walks
};

/// Where a thread stands, and its access to states and rows.
template <class Traits>
class WalkThread {
  using T = typename Traits::T;
  using Number = typename Traits::Number;
  static constexpr int kModes = Traits::kModes, kParts = Traits::kParts;

 public:
  using Numbers = Number[kModes];
  using Vectors = Vector<T, Traits::kWidth>;

  std::int64_t batch, segment, first_tile;
  int tile_count;  // of the segment
  int part;        // of the channel's modes
  int column;      // the channel's, in the tile
  int piece_row, piece_column;
  int piece_columns;  // of the piece, that exist
  bool active;        // the channel exists
  std::int64_t channel, piece_channel;

  __device__ WalkThread(const WalkArguments& a, std::int64_t segment)
      : batch(blockIdx.x / a.channel_tiles),
        segment(segment),
        first_tile(segment * a.segment_tiles),
        tile_count(static_cast<int>(min(a.segment_tiles, a.tiles - first_tile))),
        part(static_cast<int>(threadIdx.x) % 32 / Traits::kWarpChannels),
        column(static_cast<int>(threadIdx.x) / 32 * Traits::kWarpChannels +
               static_cast<int>(threadIdx.x) % Traits::kWarpChannels),
        piece_row(static_cast<int>(threadIdx.x) / Traits::kPieces),
        piece_column(static_cast<int>(threadIdx.x) % Traits::kPieces * Traits::kPiece),
        a_(a) {
    const std::int64_t first = blockIdx.x % a.channel_tiles * Traits::kChannels;
    const std::int64_t left = a.channels - first;
    active = column < left;
    channel = first + (active ? column : 0);
    piece_channel = first + piece_column;
    piece_columns = static_cast<int>(
        max(std::int64_t{0}, min(std::int64_t{Traits::kPiece}, left - piece_column)));
  }

  /// The lane's four modes of its channel in entry `index` of `count` of a (b, count, d, n, parts)
  /// array; zeros beyond n.
  __device__ void read(const float* from, std::int64_t count, std::int64_t index,
                       Numbers& to) const {
    read(from + states_at(batch * count + index), to);
  }
  /// Of an array (d, n, parts).
  __device__ void read_modes(const float* from, Numbers& to) const {
    read(from + states_at(0), to);
  }
  __device__ void write(float* to, std::int64_t count, std::int64_t index,
                        const Numbers& from) const {
    if (!active) return;
    float* place = to + states_at(batch * count + index);
    const float* values = reinterpret_cast<const float*>(from);
    const int first = kModes * kParts * part, end = a_.n * kParts;
    if (a_.n % kModes == 0 && first < end) {
#pragma unroll
      for (int i = 0; i < kParts; ++i) {
        reinterpret_cast<float4*>(place + first)[i] =
            make_float4(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
      }
    } else {
#pragma unroll
      for (int i = 0; i < kModes * kParts; ++i) {
        if (first + i < end) place[first + i] = values[i];
      }
    }
  }

  __device__ std::int64_t position(int tile) const {
    return (first_tile + tile) * Traits::kTile;
  }
  /// Positions of a tile.
  __device__ int rows(int tile) const {
    return static_cast<int>(min(std::int64_t{Traits::kTile}, a_.length - position(tile)));
  }
  /// Bit i is set where position i of the tile starts another sequence than the one before it.
  /// Every lane of the warp has to ask.
  __device__ std::uint64_t resets(int tile) const {
    if (a_.sequence_ids == nullptr) return 0;
    const std::int32_t* ids = a_.sequence_ids + batch * a_.length;
    const int lane = static_cast<int>(threadIdx.x) % 32, count = rows(tile);
    std::uint64_t mask = 0;
#pragma unroll
    for (int half = 0; half < Traits::kTile / 32; ++half) {
      const int i = half * 32 + lane;
      const std::int64_t t = position(tile) + i;
      const bool differs = i < count && t > 0 && ids[t] != ids[t - 1];
      mask |= static_cast<std::uint64_t>(__ballot_sync(kAllLanes, differs)) << (32 * half);
    }
    return mask;
  }

  /// The thread's piece of a row tile: where it lies in memory.
  template <class Element>
  __device__ Element* piece(const Rows<Element>& rows, int tile) const {
    return rows.data + batch * rows.batch_stride + (position(tile) + piece_row) * rows.row_stride +
           piece_channel;
  }
  /// How many elements of the piece exist.
  __device__ int piece_size(int tile) const {
    return piece_row < rows(tile) ? piece_columns : 0;
  }
  /// Where it lies in a tile in shared memory.
  __device__ int piece_at() const {
    return piece_row * Traits::kRow + piece_column;
  }

  /// Vector v of the piece at `from`, of which `size` elements exist; zeros behind them.
  __device__ Vectors load(const T* from, int size, int v) const {
    Vectors x{};
    if (a_.vectors) {
      if (v * Traits::kWidth < size) x = load_vector<Traits::kWidth>(from + v * Traits::kWidth);
    } else {
#pragma unroll
      for (int i = 0; i < Traits::kWidth; ++i) {
        if (v * Traits::kWidth + i < size) x.v[i] = from[v * Traits::kWidth + i];
      }
    }
    return x;
  }
  __device__ void store(T* to, int size, int v, const Vectors& x) const {
    if (a_.vectors) {
      if (v * Traits::kWidth < size) store_vector(to + v * Traits::kWidth, x);
    } else {
#pragma unroll
      for (int i = 0; i < Traits::kWidth; ++i) {
        if (v * Traits::kWidth + i < size) to[v * Traits::kWidth + i] = x.v[i];
      }
    }
  }

  /// Which of four neighbouring positions this lane finishes, and whether it is the one that does.
  __device__ int own_step() const {
    return part / (Traits::kLanes / 4);
  }
  __device__ bool finishes() const {
    return part % (Traits::kLanes / 4) == 0;
  }
  /// Sums over the lanes of a channel, four at once: v[s] of all of them adds up in the lanes whose
  /// own_step() is s. 3 shuffles instead of 8, with 4 lanes.
  __device__ static float sum_over_lanes(const float (&v)[4]) {
    constexpr int kHigh = 16, kLow = 8;  // the two highest bits of the lane are those of the part
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const bool high = (lane & kHigh) != 0, low = (lane & kLow) != 0;
    const float keep0 = high ? v[2] : v[0], keep1 = high ? v[3] : v[1];
    const float give0 = high ? v[0] : v[2], give1 = high ? v[1] : v[3];
    const float two0 = keep0 + __shfl_xor_sync(kAllLanes, give0, kHigh);
    const float two1 = keep1 + __shfl_xor_sync(kAllLanes, give1, kHigh);
    float sum = (low ? two1 : two0) + __shfl_xor_sync(kAllLanes, low ? two0 : two1, kLow);
#pragma unroll
    for (int bit = kLow / 2; bit >= Traits::kWarpChannels; bit /= 2) {
      sum += __shfl_xor_sync(kAllLanes, sum, bit);
    }
    return sum;
  }

  /// For join_segments: whether the segment has a reset.
  __device__ void note_resets(bool any) const {
    if (threadIdx.x == 0 && blockIdx.x % a_.channel_tiles == 0) {
      a_.resets[batch * a_.segments + segment] = any ? 1 : 0;
    }
  }

 private:
  __device__ std::int64_t states_at(std::int64_t entry) const {
    return (entry * a_.channels + channel) * a_.n * kParts;
  }
  __device__ void read(const float* channel_states, Numbers& to) const {
    float* values = reinterpret_cast<float*>(to);
    const int first = kModes * kParts * part, end = active ? a_.n * kParts : 0;
    if (a_.n % kModes == 0 && first < end) {
#pragma unroll
      for (int i = 0; i < kParts; ++i) {
        const float4 four = reinterpret_cast<const float4*>(channel_states + first)[i];
        values[4 * i] = four.x, values[4 * i + 1] = four.y;
        values[4 * i + 2] = four.z, values[4 * i + 3] = four.w;
      }
    } else {
#pragma unroll
      for (int i = 0; i < kModes * kParts; ++i) {
        values[i] = first + i < end ? channel_states[first + i] : 0.f;
      }
    }
  }

  const WalkArguments& a_;
};

/// 1 / (1 + e^-z)
template <class T>
__device__ inline float sigmoid(float z) {
  if constexpr (is_exact<T>) {
    return 1.f / (1.f + expf(-z));
  } else {
    return __fdividef(1.f, 1.f + __expf(-z));
  }
}

/// The factors of all modes.
template <class T>
struct Factors {
  Scratch<float> decays, gains;
  Factors(const S4dForward& a, const ExecutionContext& ctx)
      : decays(count(a), ctx), gains(count(a), ctx) {
    find_factors(a, {.decays = decays.data(), .gains = gains.data(), .exact = is_exact<T>}, ctx);
  }
  static std::int64_t count(const S4dForward& a) {
    return a.A_real.numel() * (a.A_imag.defined() ? 2 : 1);
  }
};

/// Everything but `vectors` and `resets`.
template <class T>
WalkArguments walk_arguments(const S4dForward& a, const Factors<T>& factors) {
  const S4dPlan plan = s4d_plan({.batch = a.u.size(0),
                                 .length = a.u.size(1),
                                 .channels = a.u.size(2),
                                 .modes = a.A_real.size(1)},
                                multiprocessors());
  return {.length = a.u.size(1),
          .channels = a.u.size(2),
          .tiles = plan.tiles,
          .channel_tiles = plan.channel_tiles,
          .segments = plan.segments,
          .segment_tiles = plan.segment_tiles,
          .n = static_cast<int>(a.A_real.size(1)),
          .decays = factors.decays.data(),
          .gains = factors.gains.data(),
          .D = device_data<float>(a.D),
          .sequence_ids = device_data<std::int32_t>(a.sequence_ids)};
}

/// Calls f(traits) for the kernels that fit.
template <class T, class F>
void visit_traits(const S4dForward& a, F&& f) {
  const int lanes = s4d_lanes(a.A_real.size(1));
  const auto visit_lanes = [&](auto complex) {
    constexpr bool kComplex = decltype(complex)::value;
    if (lanes == 4) {
      f(WalkTraits<T, kComplex, 4>{});
    } else if (lanes == 8) {
      f(WalkTraits<T, kComplex, 8>{});
    } else {
      f(WalkTraits<T, kComplex, 32>{});
    }
  };
  a.A_imag.defined() ? visit_lanes(std::true_type{}) : visit_lanes(std::false_type{});
}

}  // namespace krait::cuda::s4d
