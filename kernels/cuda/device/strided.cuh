// Element-wise work on operands of one shape with strides of their own. The shape is seen as rows
// of columns: neighbouring dimensions that all operands can merge are merged, the last of them is
// the columns. A block takes a tile of 256 threads * 2 vectors: `lanes` threads along a row, the
// others on further rows. So contiguous operands are one long row, slices of wider buffers are
// dense rows, and both move 16 bytes at a time.
#pragma once
#include <array>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device/vector.cuh"

namespace krait::cuda {

/// Merged dimensions, outermost first, and the strides of N operands in them.
template <int N>
struct MergedDims {
  int rank = 0;
  std::int64_t sizes[Shape::kMaxRank] = {};
  std::int64_t strides[Shape::kMaxRank][N] = {};

  /// A further dimension inside those given so far.
  void append(std::int64_t size, const std::array<std::int64_t, N>& steps) {
    if (size == 1) return;
    bool mergeable = rank > 0;
    for (int i = 0; i < N && mergeable; ++i) {
      mergeable = strides[rank - 1][i] == size * steps[static_cast<std::size_t>(i)];
    }
    if (!mergeable) ++rank;
    sizes[rank - 1] = mergeable ? sizes[rank - 1] * size : size;
    for (int i = 0; i < N; ++i) strides[rank - 1][i] = steps[static_cast<std::size_t>(i)];
  }

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= sizes[i];
    return n;
  }

  /// Adds the offsets of the index-th element in row-major order.
  __device__ void add_offsets(std::int64_t index, std::int64_t (&at)[N]) const {
    for (int d = rank - 1; d >= 0; --d) {
      const std::int64_t outer = d > 0 ? index / sizes[d] : 0;
      const std::int64_t here = index - outer * sizes[d];
#pragma unroll
      for (int i = 0; i < N; ++i) at[i] += here * strides[d][i];
      index = outer;
    }
  }
};

/// Rows of columns. A launch covers the columns from `origin` on in vectors.
template <int N>
struct RowMap {
  MergedDims<N> outer;  // the rows
  std::int64_t rows = 1, columns = 1;
  std::int64_t steps[N] = {};   // from column to column: 1, 0 (repeated) or anything else
  std::int64_t origin[N] = {};  // offsets of the first column
  // the launch
  int width = 1;             // columns in a vector
  std::int64_t vectors = 1;  // in a row
  int lanes_log2 = 0;
  std::int64_t column_tiles = 1;
};

struct RowTraits {
  static constexpr int kThreads = 256;
  static constexpr int kUnroll = 2;  // vectors that a thread has under way at once
};

template <int N>
RowMap<N> row_map(const Shape& shape, const std::array<Shape, N>& strides) {
  MergedDims<N> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    std::array<std::int64_t, N> steps{};
    for (std::size_t i = 0; i < N; ++i) steps[i] = strides[i][d];
    dims.append(shape[d], steps);
  }
  RowMap<N> map;
  if (dims.rank > 0) {
    const int last = --dims.rank;
    map.columns = dims.sizes[last];
    for (int i = 0; i < N; ++i) map.steps[i] = dims.strides[last][i];
  }
  map.outer = dims;
  map.rows = dims.count();
  return map;
}

/// One row of contiguous operands.
template <int N>
RowMap<N> flat_map(std::int64_t count) {
  RowMap<N> map;
  map.columns = count;
  for (int i = 0; i < N; ++i) map.steps[i] = 1;
  return map;
}

/// Whether operand i, at `pointer`, can be accessed in vectors of `width` in every row.
template <int N>
bool can_vectorise(const RowMap<N>& map, int i, const void* pointer, std::size_t size, int width) {
  if (map.steps[i] == 0) return true;
  if (map.steps[i] != 1 || !is_vector_aligned(pointer, size, width)) return false;
  for (int d = 0; d < map.outer.rank; ++d) {
    if (map.outer.strides[d][i] % width != 0) return false;
  }
  return true;
}

/// Calls launch(map, blocks, width) with the width as a constant: once for the columns in whole
/// vectors of kWidth if `vectorise`, once for the columns that remain, one by one.
template <int kWidth, int N, class Launch>
void launch_rows(RowMap<N> map, bool vectorise, Launch&& launch) {
  const std::int64_t whole = vectorise ? map.columns / kWidth * kWidth : 0;
  const auto part = [&](auto width, std::int64_t begin, std::int64_t columns) {
    if (columns == 0 || map.rows == 0) return;
    RowMap<N> m = map;
    m.width = width;
    m.vectors = columns / width;
    for (int i = 0; i < N; ++i) m.origin[i] = begin * m.steps[i];
    while ((std::int64_t{RowTraits::kUnroll} << m.lanes_log2) < m.vectors &&
           (1 << m.lanes_log2) < RowTraits::kThreads) {
      ++m.lanes_log2;
    }
    m.column_tiles = ceil_div(m.vectors, std::int64_t{RowTraits::kUnroll} << m.lanes_log2);
    const std::int64_t tiles =
        ceil_div(m.rows, RowTraits::kThreads >> m.lanes_log2) * m.column_tiles;
    launch(m, static_cast<unsigned>(tiles), width);
  };
  if constexpr (kWidth > 1) part(std::integral_constant<int, kWidth>{}, 0, whole);
  part(std::integral_constant<int, 1>{}, whole, map.columns - whole);
}

/// The tile of this block: body.load(offsets) for some vectors, then body.store(offsets, loaded).
template <int N, class Body>
__device__ void process_tile(const RowMap<N>& map, const Body& body) {
  const std::int64_t column_tile = blockIdx.x % map.column_tiles;
  const std::int64_t row_tile = blockIdx.x / map.column_tiles;
  const std::int64_t row = row_tile * (RowTraits::kThreads >> map.lanes_log2) +
                           (static_cast<int>(threadIdx.x) >> map.lanes_log2);
  if (row >= map.rows) return;
  const int lanes = 1 << map.lanes_log2;
  const std::int64_t first =
      column_tile * RowTraits::kUnroll * lanes + (static_cast<int>(threadIdx.x) & (lanes - 1));
  std::int64_t at[RowTraits::kUnroll][N];
#pragma unroll
  for (int i = 0; i < N; ++i) at[0][i] = map.origin[i];
  map.outer.add_offsets(row, at[0]);
#pragma unroll
  for (int u = RowTraits::kUnroll - 1; u >= 0; --u) {  // at[0] is changed last
#pragma unroll
    for (int i = 0; i < N; ++i) {
      at[u][i] = at[0][i] + (first + u * lanes) * map.width * map.steps[i];
    }
  }
  typename Body::Loaded loaded[RowTraits::kUnroll];
#pragma unroll
  for (int u = 0; u < RowTraits::kUnroll; ++u) {
    if (first + u * lanes < map.vectors) loaded[u] = body.load(at[u]);
  }
#pragma unroll
  for (int u = 0; u < RowTraits::kUnroll; ++u) {
    if (first + u * lanes < map.vectors) body.store(at[u], loaded[u]);
  }
}

}  // namespace krait::cuda
