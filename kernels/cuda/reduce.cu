// Sums and maxima over any dimensions.
//
// x is seen as (kept, reduced), each with its dimensions merged. Two maps:
// * along: neighbours in memory are reduced. A group of threads (a part of a warp, a warp, or the
//   block of 256) takes one element of y and walks its elements of x in vectors of 16 bytes.
// * across: neighbours in memory are kept. A block takes up to 32 vectors of columns times
//   256 / 32 rows, walks down the rows, and combines the threads of a column in shared memory.
// Where y has too few elements to fill the GPU, the reduced elements are cut into chunks: the same
// kernels write one partial result a chunk to scratch memory, and a second launch reduces those.
// Each element of x is read once; the partial results are below 1 % of that.
//
// Sums are carried in f64 (bf16: eight, or four, neighbours are added in f32 first, in a tree),
// maxima in f32. The order depends on shape, strides and alignment only.
#include <algorithm>
#include <limits>

#include "core/stream/scratch.h"
#include "kernels/cuda/device/group_reduce.cuh"
#include "kernels/cuda/device/strided.cuh"
#include "kernels/reduce.h"

namespace krait::cuda {
namespace {

struct ReduceTraits {
  static constexpr int kThreads = 256;
  static constexpr int kUnroll = 4;  // vectors that a thread has under way at once
  // along
  static constexpr std::int64_t kWarpVectors = 1024;   // most that a warp takes of one element of y
  static constexpr std::int64_t kManyOutputs = 4096;   // enough for a warp each
  static constexpr std::int64_t kChunkVectors = 2048;  // fewest of a chunk: 8 a thread
  static constexpr std::int64_t kBlocks = 2048;        // that chunks are cut for
  // across
  static constexpr std::int64_t kAcrossBlocks = 1024;  // about 8 per multiprocessor
  static constexpr std::int64_t kRowsOfThread = 16;    // fewest in a chunk
};

struct Sum {
  using Acc = double;
  static constexpr DType kPartial = DType::F64;
  __device__ static double empty() { return 0; }
  __device__ static double combine(double a, double b) { return a + b; }
  template <class T, int kCount>
  __device__ static double of(const T (&v)[kCount]) {
    if constexpr (sizeof(T) == 2) {
      float sums[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums[i] = to_float(v[i]);
#pragma unroll
      for (int half = kCount / 2; half > 0; half /= 2) {
#pragma unroll
        for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
      }
      return sums[0];
    } else {
      double sum = v[0];
#pragma unroll
      for (int i = 1; i < kCount; ++i) sum += v[i];
      return sum;
    }
  }
};
struct Max {
  using Acc = float;
  static constexpr DType kPartial = DType::F32;
  __device__ static float empty() { return -std::numeric_limits<float>::infinity(); }
  __device__ static float combine(float a, float b) { return a > b || a != a ? a : b; }
  template <class T, int kCount>
  __device__ static float of(const T (&v)[kCount]) {
    float max = to_float(v[0]);
#pragma unroll
    for (int i = 1; i < kCount; ++i) max = combine(max, to_float(v[i]));
    return max;
  }
};

/// Where results go: y, or the partial results of a chunk.
struct Result {
  void* data;
  DType dtype;  // f32, bf16, or f64 for partial sums
  double scale = 1;
  bool accumulate = false;

  __device__ void write(std::int64_t i, double value) const {
    value *= scale;
    if (dtype == DType::F64) {
      static_cast<double*>(data)[i] = value;
    } else if (dtype == DType::F32) {
      auto* y = static_cast<float*>(data) + i;
      *y = static_cast<float>(accumulate ? *y + value : value);
    } else {
      auto* y = static_cast<__nv_bfloat16*>(data) + i;
      *y = from_float<__nv_bfloat16>(static_cast<float>(accumulate ? to_float(*y) + value : value));
    }
  }
};

template <class X>
struct Pass {
  const X* x;
  MergedDims<1> kept, reduced;
  std::int64_t count, depth;       // elements of y; elements reduced into each
  std::int64_t chunk, chunks = 1;  // of the depth; along: in vectors
  Result result;
  int lanes = 1;  // along: threads of an element of y; across: of the columns
  std::int64_t column_tiles = 1;
};

/// From the first to the i-th reduced element, without a division where one stride does.
template <class X>
__device__ inline std::int64_t reduced_offset(const Pass<X>& pass, std::int64_t i) {
  if (pass.reduced.rank <= 1) return i * pass.reduced.strides[0][0];
  std::int64_t at[1] = {0};
  pass.reduced.add_offsets(i, at);
  return at[0];
}

template <int kWidth, class Op, class X>
__global__ void __launch_bounds__(ReduceTraits::kThreads)
    reduce_along_kernel(const __grid_constant__ Pass<X> pass) {
  constexpr int kUnroll = ReduceTraits::kUnroll;
  __shared__ typename Op::Acc shared[ReduceTraits::kThreads / kWarp];
  const int lanes = pass.lanes, lane = static_cast<int>(threadIdx.x) % lanes;
  const std::int64_t item = std::int64_t{blockIdx.x} * (ReduceTraits::kThreads / lanes) +
                            static_cast<int>(threadIdx.x) / lanes;
  const std::int64_t output = item / pass.chunks, chunk = item % pass.chunks;
  const bool inside = output < pass.count;
  const std::int64_t vectors = pass.depth / kWidth;
  const std::int64_t end = inside ? min(vectors, (chunk + 1) * pass.chunk) : 0;
  std::int64_t origin[1] = {0};
  if (inside) pass.kept.add_offsets(output, origin);
  const auto load = [&](std::int64_t vector) {
    return load_vector<kWidth>(pass.x + origin[0] + reduced_offset(pass, vector * kWidth));
  };
  typename Op::Acc value = Op::empty();
  std::int64_t i = chunk * pass.chunk + lane;
  for (; i + (kUnroll - 1) * lanes < end; i += kUnroll * lanes) {
    Vector<X, kWidth> in[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) in[u] = load(i + u * lanes);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) value = Op::combine(value, Op::of(in[u].v));
  }
  for (; i < end; i += lanes) value = Op::combine(value, Op::of(load(i).v));
  value = reduce_group(value, lanes, shared, [](auto a, auto b) { return Op::combine(a, b); });
  if (inside && lane == 0) pass.result.write(item, static_cast<double>(value));
}

template <int kWidth, class Op, class X>
__global__ void __launch_bounds__(ReduceTraits::kThreads)
    reduce_across_kernel(const __grid_constant__ Pass<X> pass) {
  constexpr int kThreads = ReduceTraits::kThreads, kUnroll = ReduceTraits::kUnroll;
  using Acc = typename Op::Acc;
  __shared__ Acc shared[kThreads][kWidth];
  const int thread = static_cast<int>(threadIdx.x), lanes = pass.lanes;
  const int lane = thread % lanes, line = thread / lanes, lines = kThreads / lanes;
  const std::int64_t columns = pass.kept.rank == 0 ? 1 : pass.kept.sizes[pass.kept.rank - 1];
  const std::int64_t column =
      (blockIdx.x % pass.column_tiles * lanes + lane) * kWidth;  // within the innermost dimension
  const std::int64_t output = blockIdx.x / pass.column_tiles * columns + column;
  const bool inside = column < columns;
  const std::int64_t begin = blockIdx.y * pass.chunk;
  const std::int64_t end = inside ? min(pass.depth, begin + pass.chunk) : 0;
  std::int64_t origin[1] = {0};
  if (inside) pass.kept.add_offsets(output, origin);
  const auto load = [&](std::int64_t row) {
    return load_vector<kWidth>(pass.x + origin[0] + reduced_offset(pass, row));
  };
  Acc values[kWidth];
#pragma unroll
  for (int k = 0; k < kWidth; ++k) values[k] = Op::empty();
  std::int64_t row = begin + line;
  for (; row + (kUnroll - 1) * lines < end; row += kUnroll * lines) {
    Vector<X, kWidth> in[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) in[u] = load(row + u * lines);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      X column_of[kUnroll];
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) column_of[u] = in[u].v[k];
      values[k] = Op::combine(values[k], Op::of(column_of));
    }
  }
  for (; row < end; row += lines) {
    const auto in = load(row);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const X one[1] = {in.v[k]};
      values[k] = Op::combine(values[k], Op::of(one));
    }
  }
#pragma unroll
  for (int k = 0; k < kWidth; ++k) shared[thread][k] = values[k];
  for (int half = lines / 2; half > 0; half /= 2) {
    __syncthreads();
    if (line < half) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        shared[thread][k] = Op::combine(shared[thread][k], shared[thread + half * lanes][k]);
      }
    }
  }
  if (!inside || line != 0) return;  // below, it reads only what it wrote itself
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    pass.result.write(blockIdx.y * pass.count + output + k, static_cast<double>(shared[thread][k]));
  }
}

/// x seen as (kept, reduced).
template <class X>
Pass<X> split(const Reduce& r, const Result& result) {
  const Shape &x = r.x.shape(), &y = r.y.shape();
  Pass<X> pass{.x = device_data<X>(r.x), .result = result};
  for (int i = 0; i < x.rank(); ++i) {
    const int j = i - x.rank() + y.rank();  // the dimension of y
    const bool is_kept = j >= 0 && y[j] == x[i];
    (is_kept ? pass.kept : pass.reduced).append(x[i], {r.x.stride(i)});
  }
  pass.count = pass.kept.count();
  pass.depth = pass.reduced.count();
  return pass;
}

std::int64_t innermost_stride(const MergedDims<1>& dims) {
  return dims.rank == 0 ? 0 : dims.strides[dims.rank - 1][0];
}

/// Whether vectors of `width` can be read along the innermost of `inner`, and from all that the
/// other dimensions lead to.
bool can_read_vectors(MergedDims<1> inner, const MergedDims<1>& other, int width) {
  if (inner.rank == 0 || innermost_stride(inner) != 1) return false;
  if (inner.sizes[--inner.rank] % width != 0) return false;
  const auto fits = [&](const MergedDims<1>& dims) {
    for (int d = 0; d < dims.rank; ++d) {
      if (dims.strides[d][0] % width != 0) return false;
    }
    return true;
  };
  return fits(inner) && fits(other);
}

/// Cuts the depth of `vectors` a thread group into chunks, if `wanted` > 1.
template <class X>
void cut(Pass<X>& pass, std::int64_t depth, std::int64_t wanted) {
  pass.chunk = std::max<std::int64_t>(1, ceil_div(depth, std::max<std::int64_t>(1, wanted)));
  pass.chunks = std::max<std::int64_t>(1, ceil_div(depth, pass.chunk));
}

/// Plans how elements are spread over threads and blocks; `cuts` allows more than one chunk.
template <class X>
void plan(Pass<X>& pass, bool along, int width, bool cuts) {
  using Traits = ReduceTraits;
  if (along) {
    const std::int64_t vectors = pass.depth / width;
    while (pass.lanes < kWarp && pass.lanes < vectors) pass.lanes *= 2;
    const std::int64_t most = pass.count < Traits::kManyOutputs ? 2 * kWarp : Traits::kWarpVectors;
    if (vectors > most) pass.lanes = Traits::kThreads;
    cut(pass, vectors,
        cuts ? std::min(vectors / Traits::kChunkVectors, Traits::kBlocks / pass.count) : 1);
  } else {
    const std::int64_t columns = pass.kept.sizes[pass.kept.rank - 1];  // count > 1: there are some
    while (pass.lanes < kWarp && pass.lanes * width < columns) pass.lanes *= 2;
    pass.column_tiles = ceil_div(columns, pass.lanes * width);
    const std::int64_t blocks = pass.count / columns * pass.column_tiles;
    const std::int64_t lines = Traits::kThreads / pass.lanes;
    cut(pass, pass.depth,
        cuts
            ? std::min(pass.depth / (lines * Traits::kRowsOfThread), Traits::kAcrossBlocks / blocks)
            : 1);
  }
}

template <int kWidth, class Op, class X>
void launch(const Pass<X>& pass, bool along, cudaStream_t stream) {
  constexpr int kThreads = ReduceTraits::kThreads;
  if (along) {
    const std::int64_t blocks = ceil_div(pass.count * pass.chunks, kThreads / pass.lanes);
    reduce_along_kernel<kWidth, Op, X>
        <<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(pass);
    KRAIT_CUDA_CHECK_LAUNCH("reduce_along_kernel");
  } else {
    const std::int64_t columns = pass.kept.sizes[pass.kept.rank - 1];
    const dim3 blocks(static_cast<unsigned>(pass.count / columns * pass.column_tiles),
                      static_cast<unsigned>(pass.chunks));
    reduce_across_kernel<kWidth, Op, X><<<blocks, kThreads, 0, stream>>>(pass);
    KRAIT_CUDA_CHECK_LAUNCH("reduce_across_kernel");
  }
}

/// The second launch: partial results (count, chunks) if `along`, (chunks, count) otherwise.
template <class Op>
void reduce_partials(const typename Op::Acc* partials, std::int64_t count, std::int64_t chunks,
                     bool along, const Result& result, cudaStream_t stream) {
  Pass<typename Op::Acc> pass{.x = partials, .count = count, .depth = chunks, .result = result};
  pass.kept.append(count, {along ? chunks : 1});
  pass.reduced.append(chunks, {along ? 1 : count});
  plan(pass, along, 1, false);
  launch<1, Op>(pass, along, stream);
}

template <class Op, class X>
void reduce_as(const Reduce& r, const ExecutionContext& ctx) {
  const cudaStream_t stream = cuda::stream_of(ctx);
  const Result result{.data = device_data<X>(r.y),
                      .dtype = r.y.dtype(),
                      .scale = r.scale,
                      .accumulate = r.accumulate};
  Pass<X> pass = split<X>(r, result);
  if (pass.count == 0) return;
  const bool along =
      pass.count == 1 || innermost_stride(pass.reduced) < innermost_stride(pass.kept);
  constexpr int kWidth = vector_width<X>;
  const bool vectors = is_vector_aligned(pass.x, sizeof(X), kWidth) &&
                       (along ? can_read_vectors(pass.reduced, pass.kept, kWidth)
                              : can_read_vectors(pass.kept, pass.reduced, kWidth));
  plan(pass, along, vectors ? kWidth : 1, true);
  const Scratch<typename Op::Acc> partials(pass.chunks > 1 ? pass.count * pass.chunks : 0, ctx);
  if (pass.chunks > 1) pass.result = {.data = partials.data(), .dtype = Op::kPartial};
  vectors ? launch<kWidth, Op>(pass, along, stream) : launch<1, Op>(pass, along, stream);
  if (pass.chunks > 1) {
    reduce_partials<Op>(partials.data(), pass.count, pass.chunks, along, result, stream);
  }
}

}  // namespace

void reduce(const Reduce& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "reduce", [&](auto zero) {
    using T = decltype(zero);
    args.op == ReduceOp::Sum ? reduce_as<Sum, T>(args, ctx) : reduce_as<Max, T>(args, ctx);
  });
}

}  // namespace krait::cuda
