// Softmax and log-softmax over rows of n columns, and their backward. A group of `lanes` threads
// takes a row: up to 32 neighbours for up to 1024 vectors (several rows a block), else a block of
// 256 or 1024. Vectors of 16 bytes where rows allow it.
//
// Forward reads a row twice, the second time from the cache (rows of up to some 100 KiB), and
// writes it once: 2 s bytes of memory an element of size s. The first pass carries the maximum
// and the sum of exp(x - maximum) together and rescales the sum when the maximum grows. Backward
// likewise reads y and dy twice and writes dx. Sums are f64, in an order fixed by n.
#include <limits>

#include "kernels/cuda/device/group_reduce.cuh"
#include "kernels/cuda/device/vector.cuh"
#include "kernels/softmax.h"

namespace krait::cuda {
namespace {

struct SoftmaxTraits {
  static constexpr int kThreads = 256;
  static constexpr int kMostThreads = 1024;
  static constexpr std::int64_t kWarpVectors = 1024;   // most of a row that a warp takes
  static constexpr std::int64_t kBlockVectors = 4096;  // most of a row that 256 threads take
};

/// sum of exp(x - max) over what has been seen. -infinity for nothing, or masked entries only: the
/// sum is then 0.
struct Partition {
  float max;
  double sum;
};

__device__ inline Partition from_lane_xor(const Partition& p, int mask) {
  return {cuda::from_lane_xor(p.max, mask), cuda::from_lane_xor(p.sum, mask)};
}

/// exp(from - to) for from <= to, 1 when they are equal, infinite or not.
__device__ inline float rescale(float from, float to) {
  return from == to ? 1.0f : expf(from - to);
}

__device__ inline Partition merge(const Partition& a, const Partition& b) {
  const float max = fmaxf(a.max, b.max);
  return {max, a.sum * rescale(a.max, max) + b.sum * rescale(b.max, max)};
}

/// The row of this thread's group, in vectors.
struct RowPlace {
  std::int64_t begin;    // offset of its first element
  std::int64_t vectors;  // 0 beyond the last row
  int lane, lanes;
};

__device__ inline RowPlace row_place(std::int64_t rows, std::int64_t n, int width, int lanes) {
  const int groups = static_cast<int>(blockDim.x) / lanes;
  const std::int64_t row =
      std::int64_t{blockIdx.x} * groups + static_cast<int>(threadIdx.x) / lanes;
  return {row * n, row < rows ? n / width : 0, static_cast<int>(threadIdx.x) % lanes, lanes};
}

template <class T, int kWidth>
__device__ Partition lane_partition(const T* x, const RowPlace& row) {
  Partition p{-std::numeric_limits<float>::infinity(), 0};
#pragma unroll 4
  for (std::int64_t i = row.lane; i < row.vectors; i += row.lanes) {
    const auto in = load_vector<kWidth>(x + i * kWidth);
    float max = p.max;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) max = fmaxf(max, to_float(in.v[k]));  // NaN is passed over
    const float shift = max == -std::numeric_limits<float>::infinity() ? 0 : max;
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum += expf(to_float(in.v[k]) - shift);  // and is caught here
    if (max != p.max) p = {max, p.sum * rescale(p.max, max)};
    p.sum += sum;
  }
  return p;
}

template <class T, int kWidth>
struct ForwardArgs {
  const T* x;  // (rows, n)
  T* y;        // (rows, n)
  std::int64_t rows, n;
  int lanes;
  bool log;
};

template <class T, int kWidth>
__global__ void __launch_bounds__(SoftmaxTraits::kMostThreads)
    softmax_forward_kernel(const ForwardArgs<T, kWidth> args) {
  __shared__ Partition shared[SoftmaxTraits::kMostThreads / kWarp];
  const RowPlace row = row_place(args.rows, args.n, kWidth, args.lanes);
  const T* x = args.x + row.begin;
  T* y = args.y + row.begin;
  const Partition p = reduce_group(lane_partition<T, kWidth>(x, row), args.lanes, shared, merge);
  const auto scale = static_cast<float>(1 / p.sum);
  const auto log_sum = static_cast<float>(args.log ? log(p.sum) : 0);
#pragma unroll 1
  for (std::int64_t i = row.lane; i < row.vectors; i += row.lanes) {
    const auto in = load_vector<kWidth>(x + i * kWidth);
    Vector<T, kWidth> out;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const float shifted = to_float(in.v[k]) - p.max;
      out.v[k] = from_float<T>(args.log ? shifted - log_sum : expf(shifted) * scale);
    }
    store_vector<kWidth>(y + i * kWidth, out);
  }
}

template <class T, int kWidth>
struct BackwardArgs {
  const T *y, *dy;  // (rows, n)
  T* dx;            // (rows, n)
  std::int64_t rows, n;
  int lanes;
  bool log, accumulate;
};

template <class T, int kWidth>
__global__ void __launch_bounds__(SoftmaxTraits::kMostThreads)
    softmax_backward_kernel(const BackwardArgs<T, kWidth> args) {
  __shared__ double shared[SoftmaxTraits::kMostThreads / kWarp];
  const RowPlace row = row_place(args.rows, args.n, kWidth, args.lanes);
  const T *y = args.y + row.begin, *dy = args.dy + row.begin;
  T* dx = args.dx + row.begin;
  double lane_sum = 0;
#pragma unroll 4
  for (std::int64_t i = row.lane; i < row.vectors; i += row.lanes) {
    const auto g = load_vector<kWidth>(dy + i * kWidth);
    Vector<T, kWidth> p;
    if (!args.log) p = load_vector<kWidth>(y + i * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const auto d = static_cast<double>(to_float(g.v[k]));
      lane_sum += args.log ? d : d * static_cast<double>(to_float(p.v[k]));
    }
  }
  const auto sum = static_cast<float>(
      reduce_group(lane_sum, args.lanes, shared, [](double a, double b) { return a + b; }));
#pragma unroll 1
  for (std::int64_t i = row.lane; i < row.vectors; i += row.lanes) {
    const auto p = load_vector<kWidth>(y + i * kWidth), g = load_vector<kWidth>(dy + i * kWidth);
    auto out = g;
    if (args.accumulate) out = load_vector<kWidth>(dx + i * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const float d = to_float(g.v[k]), v = to_float(p.v[k]);
      const float value = args.log ? d - expf(v) * sum : v * (d - sum);
      out.v[k] = from_float<T>(args.accumulate ? to_float(out.v[k]) + value : value);
    }
    store_vector<kWidth>(dx + i * kWidth, out);
  }
}

struct Launch {
  int threads, lanes;
  unsigned blocks;
};

Launch launch_for(std::int64_t rows, std::int64_t vectors) {
  Launch l{.threads = SoftmaxTraits::kThreads, .lanes = 1, .blocks = 0};
  while (l.lanes < kWarp && l.lanes < vectors) l.lanes *= 2;
  if (vectors > SoftmaxTraits::kWarpVectors) l.lanes = l.threads;
  if (vectors > SoftmaxTraits::kBlockVectors) {
    l.lanes = l.threads = SoftmaxTraits::kMostThreads;
  }
  l.blocks = static_cast<unsigned>(ceil_div(rows, l.threads / l.lanes));
  return l;
}

/// Calls f with the width of the vectors that rows of n elements at these addresses allow.
template <class T, class F>
void visit_width(std::int64_t n, std::initializer_list<const T*> pointers, F&& f) {
  constexpr int kWidth = vector_width<T>;
  bool aligned = n % kWidth == 0;
  for (const T* p : pointers) aligned = aligned && is_vector_aligned(p, sizeof(T), kWidth);
  if (aligned) {
    f(std::integral_constant<int, kWidth>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

}  // namespace

void softmax_forward(const SoftmaxForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "softmax_forward", [&](auto zero) {
    using T = decltype(zero);
    const T* x = device_data<T>(args.x);
    T* y = device_data<T>(args.y);
    const std::int64_t rows = args.x.shape().rows(), n = args.x.size(-1);
    if (rows == 0) return;
    visit_width<T>(n, {x, y}, [&](auto width) {
      const Launch l = launch_for(rows, n / width());
      const ForwardArgs<T, width()> a{
          .x = x, .y = y, .rows = rows, .n = n, .lanes = l.lanes, .log = args.log};
      softmax_forward_kernel<<<l.blocks, l.threads, 0, cuda::stream_of(ctx)>>>(a);
      KRAIT_CUDA_CHECK_LAUNCH("softmax_forward_kernel");
    });
  });
}

void softmax_backward(const SoftmaxBackward& args, const ExecutionContext& ctx) {
  visit_device_float(args.y.dtype(), "softmax_backward", [&](auto zero) {
    using T = decltype(zero);
    const T *y = device_data<T>(args.y), *dy = device_data<T>(args.dy);
    T* dx = device_data<T>(args.dx.tensor);
    const std::int64_t rows = args.y.shape().rows(), n = args.y.size(-1);
    if (rows == 0) return;
    visit_width<T>(n, {y, dy, dx}, [&](auto width) {
      const Launch l = launch_for(rows, n / width());
      const BackwardArgs<T, width()> a{.y = y,
                                       .dy = dy,
                                       .dx = dx,
                                       .rows = rows,
                                       .n = n,
                                       .lanes = l.lanes,
                                       .log = args.log,
                                       .accumulate = args.dx.accumulates()};
      softmax_backward_kernel<<<l.blocks, l.threads, 0, cuda::stream_of(ctx)>>>(a);
      KRAIT_CUDA_CHECK_LAUNCH("softmax_backward_kernel");
    });
  });
}

}  // namespace krait::cuda
