// The norm of a flat tensor, and the factor of gradient clipping.
//
// Up to 1056 blocks of 256 threads stride over x in vectors of 16 bytes (single elements when x is
// not aligned) and write one f64 sum each; one block adds those. Each element is read once; nothing
// is written but the partial sums. The order depends on the count and the alignment of x only.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/stream/scratch.h"
#include "kernels/cuda/device/group_reduce.cuh"
#include "kernels/cuda/device/vector.cuh"
#include "kernels/reduce.h"

namespace krait::cuda {
namespace {

struct NormTraits {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kMostBlocks = 8 * kSumMultiprocessors;  // one wave
};

/// partials[block] = the sum of squares of the block's vectors; the last elements, fewer than a
/// vector, are the first block's. One block and 256 threads a partial sum.
template <int kWidth, class T>
__global__ void __launch_bounds__(NormTraits::kThreads)
    square_sum_kernel(const T* x, std::int64_t n, double* partials) {
  constexpr int kThreads = NormTraits::kThreads;
  __shared__ double shared[kThreads / kWarp];
  const std::int64_t vectors = n / kWidth, step = std::int64_t{gridDim.x} * kThreads;
  const auto squares = [](const auto& in) {
    double sum = 0;
#pragma unroll
    for (const T element : in.v) {
      const auto v = static_cast<double>(to_float(element));
      sum += v * v;
    }
    return sum;
  };
  double sum = 0;
#pragma unroll 4
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < vectors; i += step) {
    sum += squares(load_vector<kWidth>(x + i * kWidth));
  }
  const std::int64_t rest = vectors * kWidth + threadIdx.x;
  if (blockIdx.x == 0 && rest < n) sum += squares(load_vector<1>(x + rest));
  sum = reduce_group(sum, kThreads, shared, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

/// One block.
template <class T>
__global__ void __launch_bounds__(NormTraits::kThreads)
    norm_of_partials_kernel(const double* partials, int count, T* norm) {
  __shared__ double shared[NormTraits::kThreads / kWarp];
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += NormTraits::kThreads) {
    sum += partials[i];
  }
  sum = reduce_group(sum, NormTraits::kThreads, shared, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) *norm = from_float<T>(static_cast<float>(sqrt(sum)));
}

/// One thread.
template <class T>
__global__ void clip_scale_kernel(const T* norm, T* scale, double max_norm) {
  const auto n = static_cast<double>(to_float(*norm));
  double value = max_norm > 0 ? fmin(1.0, max_norm / (n + 1e-6)) : 1.0;
  if (!isfinite(n)) value = std::numeric_limits<double>::quiet_NaN();
  *scale = from_float<T>(static_cast<float>(value));
}

}  // namespace

void l2_norm(const L2Norm& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "l2_norm", [&](auto zero) {
    using T = decltype(zero);
    constexpr int kThreads = NormTraits::kThreads, kWidth = vector_width<T>;
    const cudaStream_t stream = cuda::stream_of(ctx);
    const T* x = device_data<T>(args.x);
    const std::int64_t n = args.x.numel();
    const bool aligned = is_vector_aligned(x, sizeof(T), kWidth);
    const std::int64_t blocks =
        std::clamp<std::int64_t>(n / (kThreads * kWidth), 1, NormTraits::kMostBlocks);
    const Scratch<double> partials(blocks, ctx);
    const auto sum = aligned ? square_sum_kernel<kWidth, T> : square_sum_kernel<1, T>;
    sum<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(x, n, partials.data());
    KRAIT_CUDA_CHECK_LAUNCH("square_sum_kernel");
    norm_of_partials_kernel<<<1, kThreads, 0, stream>>>(partials.data(), static_cast<int>(blocks),
                                                        device_data<T>(args.norm));
    KRAIT_CUDA_CHECK_LAUNCH("norm_of_partials_kernel");
  });
}

void clip_scale(const ClipScale& args, const ExecutionContext& ctx) {
  visit_device_float(args.norm.dtype(), "clip_scale", [&](auto zero) {
    using T = decltype(zero);
    clip_scale_kernel<<<1, 1, 0, cuda::stream_of(ctx)>>>(device_data<T>(args.norm),
                                                         device_data<T>(args.scale), args.max_norm);
    KRAIT_CUDA_CHECK_LAUNCH("clip_scale_kernel");
  });
}

}  // namespace krait::cuda
