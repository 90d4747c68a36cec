// What the two directions of the selective scan share: the map of threads, tiles in shared memory,
// the elementary functions and the sums across lanes.
//
// Map. A block of 4 warps owns one batch entry, 128 / kLanes neighbouring channels of one group and
// a run of positions, which it walks in tiles of kTile. kLanes lanes share a channel and keep
// kStates of its states each in registers. Within a warp the channel is the fast index (lane %
// channels), so that neighbouring lanes read the same values of B and C: shared memory serves a
// 16-byte read of such lanes in half the cycles. State 4 * (part + kLanes * j) + i belongs to part
// `part`, so that the reads of the parts are contiguous.
//
// Tiles of u, delta, z (and dy) come by 16-byte asynchronous copies into two stages, so that one
// tile is loaded while another is worked on. One warp loads a whole array, so its address is
// computed once. Outputs replace the inputs in shared memory and are written by 16-byte stores.
// Where pointers or strides are not multiples of 16 bytes, elements are copied one by one.
#pragma once
#include <cstdint>
#include <type_traits>

#include "core/cuda/per_device.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/warp.cuh"
#include "kernels/cuda/selective_scan/plan.h"

namespace krait::cuda {

inline constexpr float kLog2E = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;
inline constexpr float kSoftplusLimit = 20.f;                // of the published models
inline constexpr std::size_t kMostSharedBytes = 227 * 1024;  // of a block, compute capability 9.0

template <class T_, int kStates_, int kLanes_, int kTile_ = kScanTile>
struct ScanTraits {
  using T = T_;
  static constexpr int kStates = kStates_, kLanes = kLanes_;
  static constexpr int kN = kStates * kLanes;  // states, padded with zeros
  static constexpr int kQuads = kStates / 4;
  static constexpr int kTile = kTile_, kThreads = kScanThreads, kWarps = kThreads / 32;
  static constexpr int kWarpChannels = 32 / kLanes;
  static constexpr int kChannels = kWarps * kWarpChannels;
  static constexpr int kVector = 16 / static_cast<int>(sizeof(T));
  // Rows of f32 would put the 4 positions that a group of lanes reads into the same banks.
  static constexpr int kRow = kChannels + (sizeof(T) == 4 ? 8 : 0);
  static constexpr int kRows = kTile * kRow;  // elements of a tile
  static constexpr int kStages = kN <= 64 ? 2 : 1;
  // What is computed once per position and channel: a thread takes two neighbouring channels of
  // every kPreparedStep-th position.
  static constexpr int kPreparedStep = kThreads / (kChannels / 2);
  __device__ static int prepared_column() {
    return static_cast<int>(threadIdx.x) % (kChannels / 2) * 2;
  }
  __device__ static int prepared_row() { return static_cast<int>(threadIdx.x) / (kChannels / 2); }
  static_assert(kStates % 4 == 0 && kLanes >= 4 && kChannels % kVector == 0 &&
                kTile % kPreparedStep == 0);
};

/// What a kernel with this much shared memory finds on the current device, which is told that the
/// kernel needs so much: for per_device.
struct ScanDevice {
  int multiprocessors = cuda::multiprocessors(), resident_blocks = 1;
  ScanDevice(const void* kernel, std::size_t shared_bytes) {
    KRAIT_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          static_cast<int>(shared_bytes)));
    KRAIT_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident_blocks, kernel,
                                                                   kScanThreads, shared_bytes));
  }
};

/// The effect of each segment on the states, both (b, segments, states). values: the final state
/// from a zero incoming state; decays: the factor on the incoming state.
struct SegmentStates {
  float* values;
  const float* decays;
  std::int64_t batch, segments, states;
  bool backward;  // the last segment comes first
};
/// Turns the values into the true final states; those of the first segment are true already.
void join_segments(const SegmentStates& segments, const ExecutionContext& ctx);

/// A (b, l, d) or (b, l, g, n) array, last dimension dense.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0, group_stride = 0;
  __device__ T* at(std::int64_t batch, std::int64_t position, std::int64_t group = 0) const {
    return data + batch * batch_stride + position * row_stride + group * group_stride;
  }
};

template <class T>
Rows<T> rows_of(const Tensor& t) {
  if (!t.defined()) return {};
  constexpr std::int64_t kMostStride = 1 << 25;  // a tile's rows lie within 2^31 elements
  KRAIT_REQUIRE(t.stride(1) <= kMostStride, "[selective_scan] rows must be at most ", kMostStride,
                " elements apart, got strides ", t.strides(), ".");
  return {device_data<std::remove_const_t<T>>(t), t.stride(0), t.stride(1),
          t.rank() == 4 ? t.stride(2) : 0};
}

/// Where a gradient goes; null when it is not wanted.
template <class T>
struct Output {
  Rows<T> rows;
  bool accumulate;
};

/// dB and dC from the partial sums of the blocks of a group.
template <class T>
struct GroupSums {
  const float* sums;  // (b, l, groups, tiles, 2 n)
  std::int64_t length, groups, count;
  int tiles, n;
  Output<T> dB, dC;
};
template <class T>
void add_group_sums(const GroupSums<T>& sums, const ExecutionContext& ctx);

/// to[i] (+)= sum over k < runs of sums[k * stride + i], in order.
struct RunSums {
  const float* sums;
  float* to;
  std::int64_t count, runs, stride;
  bool accumulate;
};
void add_run_sums(const RunSums& sums, const ExecutionContext& ctx);

/// Whether 16-byte accesses fit: pointer, strides and a width of which pieces start every `piece`
/// elements.
inline bool is_vectorisable(const Tensor& t, std::int64_t piece) {
  if (!t.defined()) return true;
  const auto bytes = static_cast<std::int64_t>(size_of(t.dtype()));
  const auto address = reinterpret_cast<std::uintptr_t>(
      t.storage()->data() + static_cast<std::size_t>(t.offset() * bytes));
  bool fits = address % 16 == 0 && piece * bytes % 16 == 0;
  for (int i = 0; i + 1 < t.rank(); ++i) {
    fits = fits && (t.size(i) <= 1 || t.stride(i) * bytes % 16 == 0);
  }
  return fits;
}

__device__ inline float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ inline float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// `yes` or `no`, both of which are computed: the compiler would put a branch around them, and
/// neighbouring elements would wait for each other.
__device__ inline float select(bool condition, float yes, float no) {
  float chosen;
  asm("{.reg .pred p; setp.ne.s32 p, %3, 0; selp.f32 %0, %1, %2, p;}"
      : "=f"(chosen)
      : "f"(yes), "f"(no), "r"(static_cast<int>(condition)));
  return chosen;
}

/// What a sum of dt over thousands of positions is kept in.
template <class T>
using SumOf = std::conditional_t<sizeof(T) == 4, double, float>;

/// The exponents A of a thread's states, and exp(dt A).
///
/// bf16: by the special-function unit, to 2 units in the last place of f32. f32: the same away from
/// 0; near it, where a state decays slowly and the error of every step stays in it, by a
/// polynomial.
template <class T, int kStates>
struct Exponents {
  static constexpr bool kExact = sizeof(T) == 4;
  static constexpr float kScale = kExact ? 1.f : kLn2;  // A = kScale value
  float value[kStates];
  __device__ void set(int k, float A) { value[k] = kExact ? A : A * kLog2E; }
  __device__ float decay(float dt, int k) const {
    const float x = dt * value[k];
    if constexpr (kExact) {
      float series = fmaf(x, 1.f / 362880, 1.f / 40320);  // error x^10 / 3628800 < 1e-8
      series = fmaf(series, x, 1.f / 5040);
      series = fmaf(series, x, 1.f / 720);
      series = fmaf(series, x, 1.f / 120);
      series = fmaf(series, x, 1.f / 24);
      series = fmaf(series, x, 1.f / 6);
      series = fmaf(series, x, 0.5f);
      series = fmaf(series, x, 1.f);
      series = fmaf(series, x, 1.f);
      return select(fabsf(x) < 0.7f, series, exp2_approx(x * kLog2E));
    } else {
      return exp2_approx(x);
    }
  }
  /// exp(A sum_dt) over many positions.
  __device__ float remaining(SumOf<T> sum_dt, int k) const {
    if constexpr (kExact) {
      return expf(static_cast<float>(sum_dt * value[k]));
    } else {
      return exp2_approx(sum_dt * value[k]);
    }
  }
};

/// sum += a b, one of thousands of terms that become ever smaller. In f32 the rounding errors of
/// the additions are kept in `lost` and compensated (Kahan). A walk through time needs no such
/// care: the roundings of a state decay with it.
template <class T>
__device__ inline void add_to_long_sum(float a, float b, float& sum, float& lost) {
  if constexpr (sizeof(T) == 4) {
    const float term = fmaf(a, b, -lost), before = sum;
    sum = before + term;
    lost = (sum - before) - term;
  } else {
    sum = fmaf(a, b, sum);
  }
}

/// e^x for x <= 0 or of moderate size; in f32 the rounding of x log2 e is made good.
template <class T>
__device__ inline float exponential(float x) {
  const float y = x * kLog2E;
  if constexpr (sizeof(T) == 4) {
    const float e = exp2_approx(y);
    return fmaf(e, kLn2 * fmaf(x, kLog2E, -y), e);
  } else {
    return exp2_approx(y);
  }
}

/// log(1 + e) / e of e in [0, 1], minimax: in f32 of degree 9, relative error 5e-9 before rounding;
/// for bf16 of degree 6, 1.3e-6.
template <class T>
__device__ inline float log1p_ratio(float e) {
  float series;
  if constexpr (sizeof(T) == 4) {
    series = -0.0032440198f;
    series = fmaf(series, e, 0.0198514387f);
    series = fmaf(series, e, -0.0569594875f);
    series = fmaf(series, e, 0.1060365066f);
    series = fmaf(series, e, -0.1530559063f);
    series = fmaf(series, e, 0.1967593879f);
    series = fmaf(series, e, -0.2495413274f);
    series = fmaf(series, e, 0.3332996368f);
    series = fmaf(series, e, -0.4999990165f);
    return fmaf(series, e, 1.f);
  } else {
    series = 0.0141410257f;
    series = fmaf(series, e, -0.0664018086f);
    series = fmaf(series, e, 0.1492238886f);
    series = fmaf(series, e, -0.2350386139f);
    series = fmaf(series, e, 0.3310944932f);
    series = fmaf(series, e, -0.4998696569f);
    return fmaf(series, e, 0.9999987316f);
  }
}

/// log(1 + e^x) as max(x, 0) + log1p(e^-|x|); x itself beyond `limit`.
template <class T>
__device__ inline float softplus(float x, float limit) {
  const float e = exponential<T>(-fabsf(x));
  return select(x > limit, x, fmaf(log1p_ratio<T>(e), e, fmaxf(x, 0.f)));
}

/// 1 / (1 + e^-x)
template <class T>
__device__ inline float sigmoid(float x) {
  if constexpr (sizeof(T) == 4) {
    const float e = exponential<T>(-fabsf(x)), d = 1.f + e, r = reciprocal_approx(d);
    const float small = fmaf(r, fmaf(-d, r, 1.f), r);  // a Newton step
    return select(x >= 0, small, e * small);
  } else {
    return reciprocal_approx(1.f + exp2_approx(-x * kLog2E));
  }
}

/// Two neighbouring elements.
__device__ inline float2 load_two(const float* from) {
  return *reinterpret_cast<const float2*>(from);
}
__device__ inline float2 load_two(const __nv_bfloat16* from) {
  return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(from));
}

__device__ inline void copy_async_16(void* shared, const void* global, bool valid) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;  // the rest is filled with zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
}
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group 0;" ::: "memory");
}

/// How kSharers threads share a tile of kColumns columns in pieces of 16 bytes: `index` is the
/// thread's number among them.
template <class Traits, int kColumns, int kSharers>
struct Pieces {
  static constexpr int kInRow = kColumns / Traits::kVector;
  static constexpr int kPasses = (Traits::kTile * kInRow + kSharers - 1) / kSharers;
  template <class F>
  __device__ static void for_each(int index, F&& f) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      // in two steps, so that what depends on `index` is computed once
      const int row = kInRow <= kSharers ? index / kInRow + pass * (kSharers / kInRow)
                                         : pass / (kInRow / kSharers);
      const int piece =
          kInRow <= kSharers ? index % kInRow : index + pass % (kInRow / kSharers) * kSharers;
      if (Traits::kTile * kInRow % kSharers != 0 && row >= Traits::kTile) continue;
      f(row, piece * Traits::kVector);
    }
  }
};

/// One warp copies `rows` rows of `columns` elements, `row_stride` apart, into a tile of kColumns
/// columns whose rows are kStride apart; the rest of the tile becomes zero. One warp an array: the
/// addresses are worked out once.
template <class Traits, int kColumns, int kStride>
__device__ inline void load_tile(typename Traits::T* tile, const typename Traits::T* from,
                                 int row_stride, int rows, int columns, bool vector) {
  using T = typename Traits::T;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (vector) {
    Pieces<Traits, kColumns, 32>::for_each(lane, [&](int row, int column) {
      copy_async_16(tile + row * kStride + column,
                    from + static_cast<std::int64_t>(row) * row_stride + column,
                    row < rows && column < columns);
    });
  } else {
    for (int i = lane; i < Traits::kTile * kColumns; i += 32) {
      const int row = i / kColumns, column = i % kColumns;
      const bool valid = row < rows && column < columns;
      tile[row * kStride + column] =
          valid ? from[static_cast<std::int64_t>(row) * row_stride + column] : T(0.f);
    }
  }
}

/// The way back, by kSharers threads: to = tile, or to += tile.
template <class Traits, int kSharers>
__device__ inline void store_tile(const typename Traits::T* tile, typename Traits::T* to,
                                  int row_stride, int rows, int columns, bool vector,
                                  bool accumulate) {
  using T = typename Traits::T;
  const int index = static_cast<int>(threadIdx.x) % kSharers;
  if (vector) {
    Pieces<Traits, Traits::kChannels, kSharers>::for_each(index, [&](int row, int column) {
      if (row >= rows || column >= columns) return;
      uint4 piece = *reinterpret_cast<const uint4*>(tile + row * Traits::kRow + column);
      auto* target =
          reinterpret_cast<uint4*>(to + static_cast<std::int64_t>(row) * row_stride + column);
      if (accumulate) {
        const uint4 before = *target;
        T* value = reinterpret_cast<T*>(&piece);
#pragma unroll
        for (int k = 0; k < Traits::kVector; ++k) {
          value[k] =
              from_float<T>(to_float(reinterpret_cast<const T*>(&before)[k]) + to_float(value[k]));
        }
      }
      *target = piece;
    });
  } else {
    for (int i = index; i < Traits::kTile * Traits::kChannels; i += kSharers) {
      const int row = i / Traits::kChannels, column = i % Traits::kChannels;
      if (row >= rows || column >= columns) continue;
      const T value = tile[row * Traits::kRow + column];
      T& target = to[static_cast<std::int64_t>(row) * row_stride + column];
      target = accumulate ? from_float<T>(to_float(target) + to_float(value)) : value;
    }
  }
}

/// B or C of a tile as f32: of bf16 a copy; f32 tiles are used where they lie.
template <class Traits>
__device__ inline void widen_tile(const typename Traits::T* tile, float* wide) {
  if constexpr (sizeof(typename Traits::T) == 2) {
    for (int i = threadIdx.x; i < Traits::kTile * Traits::kN / 8; i += Traits::kThreads) {
      const uint4 piece = reinterpret_cast<const uint4*>(tile)[i];
      // a bf16 is the upper half of an f32
      reinterpret_cast<uint4*>(wide)[2 * i] =
          make_uint4(piece.x << 16, piece.x & 0xffff0000u, piece.y << 16, piece.y & 0xffff0000u);
      reinterpret_cast<uint4*>(wide)[2 * i + 1] =
          make_uint4(piece.z << 16, piece.z & 0xffff0000u, piece.w << 16, piece.w & 0xffff0000u);
    }
  }
}

/// An array of a block: its first row, and the distance of rows.
template <class T>
struct BlockRows {
  T* first = nullptr;
  int row_stride = 0;
  template <int kTile>
  __device__ T* tile(int index) const {
    return first + static_cast<std::int64_t>(index) * (kTile * row_stride);
  }
};

/// Where a thread stands.
template <class Traits>
struct ScanThread {
  int channel;  // of the block
  int part;     // of the states
  __device__ ScanThread()
      : channel(static_cast<int>(threadIdx.x) / 32 * Traits::kWarpChannels +
                static_cast<int>(threadIdx.x) % 32 % Traits::kWarpChannels),
        part(static_cast<int>(threadIdx.x) % 32 / Traits::kWarpChannels) {}
  /// Index of the first of the four states in quad `j`.
  __device__ int state(int j) const { return 4 * (part + Traits::kLanes * j); }
  /// Which of four neighbouring positions this lane finishes, and whether it is the one that does.
  __device__ int own_step() const { return part / (Traits::kLanes / 4); }
  __device__ bool finishes() const { return part % (Traits::kLanes / 4) == 0; }
};

/// Reads the states of one channel, (n) f32 at `from`, into registers.
template <class Traits>
__device__ inline void read_states(const float* from, const ScanThread<Traits>& me, int n,
                                   float (&h)[Traits::kStates]) {
#pragma unroll
  for (int j = 0; j < Traits::kQuads; ++j) {
    const int first = me.state(j);
    if (n % 4 == 0 && first < n) {
      const float4 four = *reinterpret_cast<const float4*>(from + first);
      h[4 * j] = four.x, h[4 * j + 1] = four.y, h[4 * j + 2] = four.z, h[4 * j + 3] = four.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) h[4 * j + i] = first + i < n ? from[first + i] : 0.f;
    }
  }
}

template <class Traits>
__device__ inline void write_states(float* to, const ScanThread<Traits>& me, int n,
                                    const float (&h)[Traits::kStates]) {
#pragma unroll
  for (int j = 0; j < Traits::kQuads; ++j) {
    const int first = me.state(j);
    if (n % 4 == 0 && first < n) {
      *reinterpret_cast<float4*>(to + first) =
          make_float4(h[4 * j], h[4 * j + 1], h[4 * j + 2], h[4 * j + 3]);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (first + i < n) to[first + i] = h[4 * j + i];
      }
    }
  }
}

/// Sums over the parts of a channel, four at once: v[s] of all parts adds up in the lanes whose
/// own_step() is s. 3 shuffles instead of 8.
template <class Traits>
__device__ inline float sum_over_parts(const float (&v)[4]) {
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

/// Bit i is set where position first + i starts another sequence than the one before it.
__device__ inline unsigned reset_mask(const std::int32_t* ids, std::int64_t first, int rows) {
  if (ids == nullptr) return 0;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t t = first + lane;
  return __ballot_sync(kAllLanes, lane < rows && t > 0 && ids[t] != ids[t - 1]);
}

}  // namespace krait::cuda
