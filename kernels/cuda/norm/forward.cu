// Normalisation of rows (rows, d), forward.
//
// Rows that can be read 4 elements at a time (d a multiple of 4, at most 8192; aligned) are held in
// registers: d <= 1024 by one warp, longer ones by up to 8 warps of a block; lane i of the row owns
// packs i, i + lanes, ... of 4 columns. Any other row goes through a block that reads it again for
// the variance and for y, from the cache.
// Bytes an element: reads x (2 or 4) and residual (4), writes residual_out (4) and y (2 or 4); the
// weights come from the cache. Nothing is read twice.
#include "kernels/cuda/norm/rows.cuh"
#include "kernels/norm.h"

namespace krait::cuda {
namespace {

using namespace norm;

constexpr int kForwardWarps = 4;  // of a block where a row needs no more
constexpr int kMostForwardWarps = 8;
constexpr int kFewPacks = 2;   // of a thread: rows of up to 256 columns in a warp
constexpr int kManyPacks = 8;  // up to 1024 columns in a warp, 8192 in 8 warps
static_assert(kMostForwardWarps * kWarp * kManyPacks * kWidth == kMostColumns);

struct ForwardArgs {
  const float *residual, *weight, *bias;  // residual, bias: may be null
  FloatOutput y;
  float *residual_out, *mean, *inverse_std;  // residual_out, mean: may be null
  std::int64_t rows;
  int d;
  float eps;
};

/// 1 / sqrt(mean of squares + eps), rounded as the host would.
__device__ float inverse_root(float squares, const ForwardArgs& a) {
  return 1 / sqrtf(squares / static_cast<float>(a.d) + a.eps);
}

template <class X, int kPacks>
__global__ void __launch_bounds__(kMostForwardWarps* kWarp)
    norm_forward_kernel(const X* __restrict__ x, const ForwardArgs a) {
  __shared__ float shared[2][kMostWarps][1];
  int turn = 0;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.y;
  for (std::int64_t base = std::int64_t{blockIdx.x} * blockDim.y; base < a.rows; base += step) {
    const std::int64_t row = base + threadIdx.y;
    const int columns = row < a.rows ? a.d : 0;  // beyond the last row: only the barriers
    const std::int64_t start = row * a.d;
    const auto column = [](int p) {
      return static_cast<int>(p * blockDim.x + threadIdx.x) * kWidth;
    };
    float r[kPacks][kWidth] = {};
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (column(p) < columns) load_pack<kWidth>(x + start + column(p), r[p]);
    }
    if (a.residual != nullptr) {
      float more[kPacks][kWidth] = {};
#pragma unroll
      for (int p = 0; p < kPacks; ++p) {
        if (column(p) < columns) load_pack<kWidth>(a.residual + start + column(p), more[p]);
      }
#pragma unroll
      for (int p = 0; p < kPacks; ++p) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) r[p][i] += more[p][i];
        if (column(p) < columns) store_pack<kWidth>(a.residual_out + start + column(p), r[p]);
      }
    }
    float mean = 0;
    if (a.mean != nullptr) {
      float sum[1] = {};
#pragma unroll
      for (int p = 0; p < kPacks; ++p) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[0] += r[p][i];
      }
      row_sums(sum, shared[turn ^= 1]);
      mean = sum[0] / static_cast<float>(a.d);
    }
    float squares[1] = {};
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float c = column(p) < columns ? r[p][i] - mean : 0;
        squares[0] += c * c;
      }
    }
    row_sums(squares, shared[turn ^= 1]);
    const float scale = inverse_root(squares[0], a);
    if (columns > 0 && threadIdx.x == 0) {
      a.inverse_std[row] = scale;
      if (a.mean != nullptr) a.mean[row] = mean;
    }
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (column(p) >= columns) continue;
      float w[kWidth], b[kWidth] = {};
      load_pack<kWidth>(a.weight + column(p), w);
      if (a.bias != nullptr) load_pack<kWidth>(a.bias + column(p), b);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) w[i] = (r[p][i] - mean) * scale * w[i] + b[i];
      write(a.y, start + column(p), w);
    }
  }
}

/// Any d and alignment: one block per row. Each thread reads back only what it wrote itself.
template <class X>
__global__ void norm_forward_plain_kernel(const X* __restrict__ x, const ForwardArgs a) {
  __shared__ float shared[2][kMostWarps][1];
  int turn = 0;
  const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  for (std::int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const std::int64_t start = row * a.d;
    const auto value = [&](std::int64_t j) {
      return a.residual_out != nullptr ? a.residual_out[start + j] : to_float(x[start + j]);
    };
    float sum[1] = {}, squares[1] = {};
    for (std::int64_t j = first; j < a.d; j += step) {
      if (a.residual_out != nullptr) {
        a.residual_out[start + j] = to_float(x[start + j]) + a.residual[start + j];
      }
      sum[0] += value(j);
    }
    row_sums(sum, shared[turn ^= 1]);
    const float mean = a.mean != nullptr ? sum[0] / static_cast<float>(a.d) : 0;
    for (std::int64_t j = first; j < a.d; j += step) {
      const float c = value(j) - mean;
      squares[0] += c * c;
    }
    row_sums(squares, shared[turn ^= 1]);
    const float scale = inverse_root(squares[0], a);
    if (first == 0) {
      a.inverse_std[row] = scale;
      if (a.mean != nullptr) a.mean[row] = mean;
    }
    for (std::int64_t j = first; j < a.d; j += step) {
      const float b = a.bias != nullptr ? a.bias[j] : 0;
      const float y[1] = {(value(j) - mean) * scale * a.weight[j] + b};
      write(a.y, start + j, y);
    }
  }
}

template <class X>
bool fits_registers(const X* x, const ForwardArgs& a) {
  const auto aligned = [](const float* p) { return cuda::is_aligned<kWidth>(p); };
  return a.d % kWidth == 0 && a.d <= kMostColumns && cuda::is_aligned<kWidth>(x) &&
         aligned(a.residual) && aligned(a.residual_out) && aligned(a.weight) && aligned(a.bias) &&
         norm::is_aligned(a.y);
}

template <class X, int kPacks>
void launch(const X* x, const ForwardArgs& a, cudaStream_t stream) {
  const RowLayout layout = row_layout(a.d, kPacks, kForwardWarps);
  const auto blocks = static_cast<unsigned>(std::min(ceil_div(a.rows, layout.rows), kMostBlocks));
  norm_forward_kernel<X, kPacks><<<blocks, layout.threads(), 0, stream>>>(x, a);
  KRAIT_CUDA_CHECK_LAUNCH("norm_forward_kernel");
}

}  // namespace

void norm_forward(const NormForward& n, const ExecutionContext& ctx) {
  const std::int64_t rows = n.x.shape().rows(), d = n.x.size(-1);
  KRAIT_REQUIRE(d <= std::numeric_limits<std::int32_t>::max() / 2,
                "[norm_forward] d must be below 2^30, got ", d, ".");
  visit_device_float(n.x.dtype(), "norm_forward", [&](auto zero) {
    using X = decltype(zero);
    if (rows == 0) return;
    const X* x = device_data<X>(n.x);
    const ForwardArgs a{
        .residual = device_data<float>(n.residual),
        .weight = device_data<float>(n.weight),
        .bias = device_data<float>(n.bias),
        .y = output_of(n.y),
        .residual_out = device_data<float>(n.residual_out),
        .mean = n.kind == NormKind::Layer ? device_data<float>(n.mean) : nullptr,
        .inverse_std = device_data<float>(n.inverse_std),
        .rows = rows,
        .d = static_cast<int>(d),
        .eps = static_cast<float>(n.eps),
    };
    if (!fits_registers(x, a)) {
      const auto blocks = static_cast<unsigned>(std::min(rows, kMostBlocks));
      norm_forward_plain_kernel<X><<<blocks, kPlainThreads, 0, stream_of(ctx)>>>(x, a);
      KRAIT_CUDA_CHECK_LAUNCH("norm_forward_plain_kernel");
    } else if (d <= kWarp * kWidth * kFewPacks) {
      launch<X, kFewPacks>(x, a, stream_of(ctx));
    } else {
      launch<X, kManyPacks>(x, a, stream_of(ctx));
    }
  });
}

}  // namespace krait::cuda
