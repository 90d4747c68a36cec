// Rows of a table (v, d) by id, and the sums of gradient rows (count, d) with the same id.
//
// Forward: one warp per position, its lanes on packs of 4 neighbouring columns. Reads and writes
// each row once.
//
// Backward: positions are sorted by id, stably, and the sorted order is cut into tiles of 64. A
// block goes through the rows of one tile in order, one thread per pack of columns, and writes the
// sum of each run of equal ids: into dtable when the run lies in the tile, else into scratch
// memory, as `head` (the run began in an earlier tile) or `tail` (it begins here and continues). A
// second kernel adds up the pieces of each such run, in order. So the order of all additions
// depends only on the ids, however often one occurs. Bytes: 4 d per row of dtable for zeroing, the
// size of dy for reading, 4 d per distinct id for writing, and at most 8 d per tile for the pieces.
//
// Packs are single elements where d is not a multiple of 4 or a tensor begins in the middle of a
// pack.
#include <algorithm>
#include <bit>
#include <limits>

#include <cub/device/device_radix_sort.cuh>

#include "core/stream/scratch.h"
#include "kernels/cuda/device/pack.cuh"
#include "kernels/cuda/device/warp.cuh"
#include "kernels/embedding.h"

namespace krait::cuda {
namespace {

constexpr int kPackWidth = 4;
constexpr int kForwardThreads = 256;

template <class T, class Y, int kWidth>
__global__ void embedding_forward_kernel(const std::int32_t* __restrict__ ids,
                                         const T* __restrict__ table, Y* __restrict__ y,
                                         std::int64_t count, std::int64_t v, std::int64_t d) {
  const std::int64_t lane = threadIdx.x % kWarp;
  const std::int64_t warp = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kWarp;
  const std::int64_t warps = std::int64_t{gridDim.x} * blockDim.x / kWarp;
  for (std::int64_t i = warp; i < count; i += warps) {
    const std::int64_t id = ids[i];
    const bool known = id >= 0 && id < v;
#pragma unroll 4
    for (std::int64_t j = lane * kWidth; j < d; j += kWarp * kWidth) {
      float row[kWidth];
#pragma unroll
      for (int k = 0; k < kWidth; ++k) row[k] = __int_as_float(0x7fffffff);  // NaN
      if (known) load_pack<kWidth>(table + id * d + j, row);
      store_pack<kWidth>(y + i * d + j, row);
    }
  }
}

constexpr int kTile = 64;          // sorted positions of a block
constexpr int kBatch = 8;          // rows that a thread reads ahead
constexpr int kTileThreads = 256;  // most of a block
constexpr int kSlices = 8;         // parts of a long run, added side by side
static_assert(kTile % kBatch == 0);

/// Positions sorted by id; ids that the table does not have became v, so that they come last.
struct SortedIds {
  const std::uint32_t* ids;
  const std::int32_t* positions;
  int count;
  std::uint32_t v;
  __device__ int tile_end(int tile) const { return min((tile + 1) * kTile, count); }
  /// Whether the run that `tile` ends with continues in the next tile.
  __device__ bool goes_on(int tile) const {
    const int end = tile_end(tile);
    return end < count && ids[end] == ids[end - 1];
  }
  /// Whether the run that `tile` ends with began before it.
  __device__ bool fills(int tile) const {
    const int first = tile * kTile;
    return first > 0 && ids[first - 1] == ids[tile_end(tile) - 1];
  }
};

struct Sums {
  float* dtable;  // (v, d)
  bool accumulate;
  float *head, *tail;  // (tiles, d)
  std::int64_t d;
};

__global__ void embedding_keys_kernel(const std::int32_t* ids, int count, std::uint32_t v,
                                      std::uint32_t* keys, std::int32_t* positions) {
  const auto step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const auto id = static_cast<std::uint32_t>(ids[i]);  // a negative one is above v
    keys[i] = min(id, v);
    positions[i] = static_cast<std::int32_t>(i);
  }
}

template <int kWidth>
__device__ void write_row(const Sums& s, std::uint32_t id, std::int64_t column,
                          float (&sum)[kWidth]) {
  float* to = s.dtable + id * s.d + column;
  if (s.accumulate) {
    float old[kWidth];
    load_pack<kWidth>(to, old);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum[k] += old[k];
  }
  store_pack<kWidth>(to, sum);
}

template <class G, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    embedding_tiles_kernel(const G* __restrict__ dy, const SortedIds sorted, const Sums s) {
  __shared__ std::uint32_t ids[kTile + 1];
  __shared__ std::int32_t positions[kTile];
  const int tile = static_cast<int>(blockIdx.x), first = tile * kTile;
  const int rows = sorted.tile_end(tile) - first;
  for (int k = static_cast<int>(threadIdx.x); k <= rows; k += static_cast<int>(blockDim.x)) {
    // after the very last one: an id that differs from all
    ids[k] = first + k < sorted.count ? sorted.ids[first + k] : 0xffffffffu;
    if (k < rows) positions[k] = sorted.positions[first + k];
  }
  __syncthreads();
  const bool continues = first > 0 && sorted.ids[first - 1] == ids[0];
  for (std::int64_t j = threadIdx.x * kWidth; j < s.d; j += blockDim.x * kWidth) {
    float sum[kWidth] = {};
    bool in_head = continues;
    for (int begin = 0; begin < rows; begin += kBatch) {
      float next[kBatch][kWidth] = {};
#pragma unroll
      for (int k = 0; k < kBatch; ++k) {
        if (begin + k < rows) load_pack<kWidth>(dy + positions[begin + k] * s.d + j, next[k]);
      }
#pragma unroll
      for (int k = 0; k < kBatch; ++k) {
        const int row = begin + k;
        if (row >= rows) break;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += next[k][i];
        const bool run_ends = ids[row + 1] != ids[row];
        if (!run_ends && row + 1 < rows) continue;
        if (in_head) {
          store_pack<kWidth>(s.head + tile * s.d + j, sum);
        } else if (!run_ends) {
          store_pack<kWidth>(s.tail + tile * s.d + j, sum);
        } else if (ids[row] < sorted.v) {
          write_row(s, ids[row], j, sum);
        }
        in_head = false;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] = 0;
      }
    }
  }
}

/// The last tile of the run that `tile` ends with and that continues after it.
__device__ int last_tile(const SortedIds& sorted, int tile) {
  if (!sorted.goes_on(tile + 1) || !sorted.fills(tile + 1)) return tile + 1;
  const std::uint32_t id = sorted.ids[sorted.tile_end(tile) - 1];
  int inside = sorted.tile_end(tile), outside = sorted.count;  // the run ends between them
  while (outside - inside > 1) {
    const int middle = inside + (outside - inside) / 2;
    (sorted.ids[middle] == id ? inside : outside) = middle;
  }
  return inside / kTile;
}

/// A block is 32 packs of columns times kSlices; slice i adds the i-th part of the run's tiles.
template <int kWidth>
__global__ void embedding_runs_kernel(const SortedIds sorted, const Sums s) {
  __shared__ float slices[kSlices][kWarp][kWidth];
  const int tile = static_cast<int>(blockIdx.x);
  const std::uint32_t id = sorted.ids[sorted.tile_end(tile) - 1];
  if (!sorted.goes_on(tile) || sorted.fills(tile) || id >= sorted.v) return;  // the whole block
  const int heads = last_tile(sorted, tile) - tile;
  const int x = static_cast<int>(threadIdx.x), slice = static_cast<int>(threadIdx.y);
  const int begin = static_cast<int>(std::int64_t{heads} * slice / kSlices);
  const int end = static_cast<int>(std::int64_t{heads} * (slice + 1) / kSlices);
  for (std::int64_t base = std::int64_t{blockIdx.y} * kWarp * kWidth; base < s.d;
       base += std::int64_t{gridDim.y} * kWarp * kWidth) {
    const std::int64_t j = base + x * kWidth;
    float sum[kWidth] = {};
    if (j < s.d) {
#pragma unroll 4
      for (int k = begin; k < end; ++k) {
        float piece[kWidth];
        load_pack<kWidth>(s.head + (tile + 1 + k) * s.d + j, piece);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += piece[i];
      }
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) slices[slice][x][i] = sum[i];
    __syncthreads();
    if (slice == 0 && j < s.d) {
      load_pack<kWidth>(s.tail + tile * s.d + j, sum);
      for (int k = 0; k < kSlices; ++k) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += slices[k][x][i];
      }
      write_row(s, id, j, sum);
    }
    __syncthreads();
  }
}

/// The sorted ids of one call, in scratch memory.
class Sort {
 public:
  Sort(const Tensor& ids, std::int64_t v, const ExecutionContext& ctx)
      : count_(static_cast<int>(ids.numel())),
        v_(static_cast<std::uint32_t>(v)),
        keys_(2 * ids.numel(), ctx),
        positions_(2 * ids.numel(), ctx) {
    embedding_keys_kernel<<<grid_blocks(count_, kForwardThreads), kForwardThreads, 0,
                            stream_of(ctx)>>>(ids.data<std::int32_t>(), count_, v_, keys_.data(),
                                              positions_.data());
    KRAIT_CUDA_CHECK_LAUNCH("embedding_keys_kernel");
    std::size_t bytes = 0;
    sort(nullptr, bytes, ctx);
    const Scratch<std::byte> temporary(static_cast<std::int64_t>(bytes), ctx);
    sort(temporary.data(), bytes, ctx);
  }
  SortedIds sorted() const {
    return {keys_.data() + count_, positions_.data() + count_, count_, v_};
  }

 private:
  /// Without memory it only says how much it needs.
  void sort(void* temporary, std::size_t& bytes, const ExecutionContext& ctx) const {
    KRAIT_CUDA_CHECK(
        cub::DeviceRadixSort::SortPairs(temporary, bytes, keys_.data(), keys_.data() + count_,
                                        positions_.data(), positions_.data() + count_, count_, 0,
                                        static_cast<int>(std::bit_width(v_)), stream_of(ctx)));
  }

  int count_;
  std::uint32_t v_;
  Scratch<std::uint32_t> keys_;      // as given, then sorted
  Scratch<std::int32_t> positions_;  // the same
};

template <int kWidth, class G>
void launch_sums(const G* dy, const SortedIds& sorted, const Sums& s, cudaStream_t stream) {
  const auto tiles = static_cast<unsigned>(ceil_div(sorted.count, kTile));
  const std::int64_t packs = s.d / kWidth, warps = ceil_div(packs, kWarp);
  const auto threads = static_cast<unsigned>(std::min<std::int64_t>(warps * kWarp, kTileThreads));
  embedding_tiles_kernel<G, kWidth><<<tiles, threads, 0, stream>>>(dy, sorted, s);
  KRAIT_CUDA_CHECK_LAUNCH("embedding_tiles_kernel");
  if (tiles == 1) return;
  constexpr std::int64_t kMostY = 65535;
  const dim3 grid(tiles - 1, static_cast<unsigned>(std::min(warps, kMostY)));
  embedding_runs_kernel<kWidth><<<grid, dim3(kWarp, kSlices), 0, stream>>>(sorted, s);
  KRAIT_CUDA_CHECK_LAUNCH("embedding_runs_kernel");
}

template <int kWidth, class T, class Y>
void launch_forward(const EmbeddingForward& e, cudaStream_t stream) {
  const std::int64_t count = e.ids.numel();
  embedding_forward_kernel<T, Y, kWidth>
      <<<grid_blocks(count * kWarp, kForwardThreads), kForwardThreads, 0, stream>>>(
          e.ids.data<std::int32_t>(), device_data<T>(e.table), device_data<Y>(e.y), count,
          e.table.size(0), e.table.size(1));
  KRAIT_CUDA_CHECK_LAUNCH("embedding_forward_kernel");
}

}  // namespace

void embedding_forward(const EmbeddingForward& e, const ExecutionContext& ctx) {
  if (e.y.numel() == 0) return;
  const auto run = [&]<class T, class Y>(T, Y) {
    const bool packed = e.table.size(1) % kPackWidth == 0 &&
                        is_aligned<kPackWidth>(device_data<T>(e.table)) &&
                        is_aligned<kPackWidth>(device_data<Y>(e.y));
    if (packed) {
      launch_forward<kPackWidth, T, Y>(e, stream_of(ctx));
    } else {
      launch_forward<1, T, Y>(e, stream_of(ctx));
    }
  };
  visit_device_float(e.table.dtype(), "embedding_forward", [&](auto table) {
    if (e.y.dtype() == e.table.dtype()) {
      run(table, table);
    } else {
      run(table, float{});
    }
  });
}

void embedding_backward(const EmbeddingBackward& e, const ExecutionContext& ctx) {
  const Tensor& dtable = e.dtable.tensor;
  KRAIT_REQUIRE(dtable.dtype() == DType::F32,
                "[embedding_backward] on CUDA dtable must be f32, got ", dtable.dtype(), ".");
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - kTile;
  const std::int64_t count = e.ids.numel(), v = dtable.size(0), d = dtable.size(1);
  KRAIT_REQUIRE(count <= kMost && v <= kMost, "[embedding_backward] on CUDA at most ", kMost,
                " ids and rows, got ", count, " and ", v, ".");
  if (dtable.numel() == 0) return;
  float* to = device_data<float>(dtable);
  if (!e.dtable.accumulates()) {
    KRAIT_CUDA_CHECK(cudaMemsetAsync(to, 0, dtable.bytes(), stream_of(ctx)));
  }
  if (count == 0) return;
  const Sort sort(e.ids, v, ctx);
  const std::int64_t pieces = ceil_div(count, kTile) * d;
  const Scratch<float> head(pieces, ctx), tail(pieces, ctx);
  const Sums sums{.dtable = to,
                  .accumulate = e.dtable.accumulates(),
                  .head = head.data(),
                  .tail = tail.data(),
                  .d = d};
  visit_device_float(e.dy.dtype(), "embedding_backward", [&](auto zero) {
    const auto* dy = device_data<decltype(zero)>(e.dy);
    if (d % kPackWidth == 0 && is_aligned<kPackWidth>(dy) && is_aligned<kPackWidth>(to)) {
      launch_sums<kPackWidth>(dy, sort.sorted(), sums, stream_of(ctx));
    } else {
      launch_sums<1>(dy, sort.sorted(), sums, stream_of(ctx));
    }
  });
}

}  // namespace krait::cuda
