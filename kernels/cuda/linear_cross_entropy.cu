// Layout: logits (rows of a chunk, v) f32 in scratch, rows a multiple of kRowElements apart, so
// that all start equally aligned whatever v is. A product writes them, then one block takes each
// row.
//
// row_loss_kernel: a thread reads kUnroll vectors of 4 logits at a time and keeps a running maximum
// and a sum scaled by it (Milakov & Gimelshein 2018), so the row is read once: 4 bytes a logit.
// Warps and then the block merge those in a fixed order.
// row_gradient_kernel: 4 logits a thread and step, 4 bytes read and sizeof(T) written a logit. For
// f32 it works in place. Backward recomputes the logits by the same products as forward, to the
// bit; of the softmax, logsumexp is saved.
#include <algorithm>
#include <cfloat>
#include <type_traits>

#include "kernels/copy.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/warp.cuh"
#include "kernels/gemm.h"
#include "kernels/linear_cross_entropy.h"

namespace krait::cuda {
namespace {

struct Traits {
  static constexpr int kVector = 4;  // logits in 16 bytes
  static constexpr int kUnroll = 4;  // vectors in flight a thread, and one rescaling for all
  static constexpr int kMaxThreads = 512;
  static constexpr int kMinBlocks = 3;  // a multiprocessor: 96 KiB in flight, 42 registers
  // Rows start at multiples of it: 256 bytes of f32, the most that a choice of product looks at.
  static constexpr int kRowElements = 64;
};

/// Threads for a row of v logits: as many as have work in one step.
int threads_for(int v) {
  const auto busy = static_cast<int>(ceil_div(v, Traits::kVector * Traits::kUnroll));
  return std::clamp(static_cast<int>(ceil_div(busy, kWarp)) * kWarp, kWarp, Traits::kMaxThreads);
}

/// Calls f(integral_constant n, i) for this thread's vectors of a row of `vectors`: those at i,
/// i + threads, ..., n of them together, so that n loads are in flight.
template <class F>
__device__ void for_own_vectors(int vectors, F&& f) {
  const int threads = blockDim.x;
  int i = threadIdx.x;
  for (; i + (Traits::kUnroll - 1) * threads < vectors; i += Traits::kUnroll * threads) {
    f(std::integral_constant<int, Traits::kUnroll>{}, i);
  }
  for (; i < vectors; i += threads) f(std::integral_constant<int, 1>{}, i);
}

__device__ void load_vector(const float* from, float* to) {
  const float4 q = __ldcs(reinterpret_cast<const float4*>(from));  // not needed again
  to[0] = q.x, to[1] = q.y, to[2] = q.z, to[3] = q.w;
}
/// Loads what for_own_vectors means by (n, i).
template <int n>
__device__ void load_vectors(const float* row, int i, float (&to)[n * Traits::kVector]) {
#pragma unroll
  for (int u = 0; u < n; ++u) {
    const int at = i + u * static_cast<int>(blockDim.x);
    load_vector(row + Traits::kVector * at, to + Traits::kVector * u);
  }
}
__device__ void store_vector(float* to, const float* from) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
__device__ void store_vector(__nv_bfloat16* to, const float* from) {
  struct alignas(8) Pairs {
    __nv_bfloat162 low, high;
  };
  *reinterpret_cast<Pairs*>(to) = {__floats2bfloat162_rn(from[0], from[1]),
                                   __floats2bfloat162_rn(from[2], from[3])};
}

// ---------------------------------------------------------------------------------------- forward

/// What one pass over a row finds out.
struct RowSums {
  float max;    // finite at first, so that max - max is 0 in a row of -inf
  float sum;    // of exp(s - max)
  float total;  // of s
  int beaten;   // whether another logit comes before the target's in size, then order
};

struct Target {
  int index;
  float logit;
};

/// Compares one logit with the target's.
__device__ void compare(RowSums& r, float s, int j, const Target& target) {
  r.beaten |= s > target.logit || (s == target.logit && j < target.index);
}

/// Adds logits to the sums. A NaN does not become the maximum but reaches the sum.
template <int n>
__device__ void add(RowSums& r, const float (&s)[n]) {
  float max = r.max;
#pragma unroll
  for (int e = 0; e < n; ++e) max = fmaxf(max, s[e]);
  r.sum *= __expf(r.max - max);
#pragma unroll
  for (int e = 0; e < n; ++e) {
    r.sum += __expf(s[e] - max);
    r.total += s[e];
  }
  r.max = max;
}

__device__ RowSums merge(const RowSums& a, const RowSums& b) {
  const float max = fmaxf(a.max, b.max);
  return {max, a.sum * __expf(a.max - max) + b.sum * __expf(b.max - max), a.total + b.total,
          a.beaten | b.beaten};
}
__device__ RowSums merge_warp(RowSums r) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const RowSums other{
        __shfl_xor_sync(kAllLanes, r.max, lanes), __shfl_xor_sync(kAllLanes, r.sum, lanes),
        __shfl_xor_sync(kAllLanes, r.total, lanes), __shfl_xor_sync(kAllLanes, r.beaten, lanes)};
    r = merge(r, other);
  }
  return r;
}
/// The sums of all threads, valid in warp 0. Called once a kernel.
__device__ RowSums merge_block(RowSums r) {
  __shared__ RowSums warps[Traits::kMaxThreads / kWarp];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  r = merge_warp(r);
  if (lane == 0) warps[warp] = r;
  __syncthreads();
  if (warp == 0) {
    r = lane < static_cast<int>(blockDim.x / kWarp) ? warps[lane] : RowSums{-FLT_MAX, 0, 0, 0};
    r = merge_warp(r);
  }
  return r;
}

/// Pointers at the first row of the chunk.
struct LossRows {
  const float* logits;  // (rows, v), rows `stride` apart
  std::int64_t stride;
  int v;
  const std::int32_t* targets;
  double label_smoothing, z_loss;
  float* losses;
  float* logsumexp;
  std::uint8_t* correct;  // may be null
};

/// This thread's part of the row.
__device__ RowSums thread_sums(const float* s, const LossRows& a, const Target& target) {
  constexpr int kVector = Traits::kVector;
  const int vectors = a.v / kVector;
  const bool comparing = a.correct != nullptr;
  RowSums r{-FLT_MAX, 0, 0, 0};
  for_own_vectors(vectors, [&](auto count, int i) {
    constexpr int n = count();
    float x[n * kVector];
    load_vectors<n>(s, i, x);
    add(r, x);
    if (!comparing) return;
#pragma unroll
    for (int e = 0; e < n * kVector; ++e) {
      const int at = i + e / kVector * static_cast<int>(blockDim.x);
      compare(r, x[e], kVector * at + e % kVector, target);
    }
  });
  if (const int j = kVector * vectors + static_cast<int>(threadIdx.x); j < a.v) {
    const float x[1] = {s[j]};
    add(r, x);
    if (comparing) compare(r, x[0], j, target);
  }
  return r;
}

/// Writes the results of a row. In double as on the CPU: lse - s[target] cancels.
__device__ void finish_row(const LossRows& a, const RowSums& r, const Target& target, bool inside,
                           std::int64_t row) {
  const double lse = static_cast<double>(r.max) + log(static_cast<double>(r.sum));
  a.logsumexp[row] = static_cast<float>(lse);
  double loss = 0;
  if (target.index != kIgnoreIndex) {
    loss = inside ? lse - static_cast<double>(target.logit) + a.z_loss * lse * lse
                  : static_cast<double>(nanf(""));
    if (a.label_smoothing > 0) {
      loss += a.label_smoothing *
              (static_cast<double>(target.logit) - static_cast<double>(r.total) / a.v);
    }
  }
  a.losses[row] = static_cast<float>(loss);
  if (a.correct != nullptr) {
    a.correct[row] = inside && !r.beaten && target.logit == r.max && lse == lse;
  }
}

__global__ void __launch_bounds__(Traits::kMaxThreads, Traits::kMinBlocks)
    row_loss_kernel(const LossRows a) {
  const std::int64_t row = blockIdx.x;
  const float* s = a.logits + row * a.stride;
  const int index = a.targets[row];
  const bool inside = index >= 0 && index < a.v;
  const Target target{index, inside ? s[index] : 0.0f};
  const RowSums r = merge_block(thread_sums(s, a, target));
  if (threadIdx.x == 0) finish_row(a, r, target, inside, row);
}

// --------------------------------------------------------------------------------------- backward

/// Pointers at the first row of the chunk.
template <class T>
struct GradientRows {
  const float* logits;  // (rows, v), rows `stride` apart; may be dlogits
  T* dlogits;           // the same
  std::int64_t stride;
  int v;
  const std::int32_t* targets;
  const float* logsumexp;
  const float* dlosses;
  float label_smoothing, z_loss;
};

/// ds[j] = scale exp(s[j] - lse) - smooth - (j == target ? hit : 0)
struct GradientFactors {
  float lse, scale, smooth, hit;
  int target;
  __device__ float operator()(float s, int j) const {
    return scale * __expf(s - lse) - smooth - (j == target ? hit : 0.0f);
  }
};

template <class T>
__global__ void __launch_bounds__(Traits::kMaxThreads, Traits::kMinBlocks)
    row_gradient_kernel(const GradientRows<T> a) {
  constexpr int kVector = Traits::kVector;
  const std::int64_t row = blockIdx.x;
  const float* s = a.logits + row * a.stride;
  T* ds = a.dlogits + row * a.stride;
  const int target = a.targets[row], vectors = a.v / kVector;
  const int tail = kVector * vectors + static_cast<int>(threadIdx.x);
  if (target == kIgnoreIndex) {
    const float zeros[kVector] = {0, 0, 0, 0};
    for (int i = threadIdx.x; i < vectors; i += blockDim.x) store_vector(ds + kVector * i, zeros);
    if (tail < a.v) ds[tail] = from_float<T>(0);
    return;
  }
  const float lse = a.logsumexp[row];
  const float dloss = target >= 0 && target < a.v ? a.dlosses[row] : nanf("");
  const GradientFactors ds_of{lse, dloss * (1 + 2 * a.z_loss * lse),
                              dloss * (a.label_smoothing / static_cast<float>(a.v)),
                              dloss * (1 - a.label_smoothing), target};
  for_own_vectors(vectors, [&](auto count, int i) {
    constexpr int n = count();
    float x[n * kVector];
    load_vectors<n>(s, i, x);
#pragma unroll
    for (int u = 0; u < n; ++u) {
      const int first = kVector * (i + u * static_cast<int>(blockDim.x));
#pragma unroll
      for (int e = 0; e < kVector; ++e) x[u * kVector + e] = ds_of(x[u * kVector + e], first + e);
      store_vector(ds + first, x + u * kVector);
    }
  });
  if (tail < a.v) ds[tail] = from_float<T>(ds_of(s[tail], tail));
}

// ------------------------------------------------------------------------------------------- host

/// (rows, v) with rows kRowElements or a multiple apart. What lies between rows is zero: products
/// read whole vectors.
Tensor row_block(const Shape& rows_and_v, DType dtype, const ExecutionContext& ctx) {
  const std::int64_t rows = rows_and_v[0], v = rows_and_v[1];
  const std::int64_t stride = ceil_div(v, Traits::kRowElements) * Traits::kRowElements;
  const Tensor wide = Tensor::empty({rows, stride}, dtype, ctx.device);
  if (stride > v) krait::fill({.y = wide.slice(1, v, stride)}, ctx);
  return wide.slice(1, 0, v);
}

CrossEntropyChunks chunks_of(const LinearCrossEntropyForward& a) {
  KRAIT_REQUIRE(a.x.dtype() == DType::F32 || a.x.dtype() == DType::BF16,
                "[linear_cross_entropy] on CUDA dtype must be f32 or bf16, got ", a.x.dtype(), ".");
  CrossEntropyChunks chunks = cross_entropy_chunks(a.weight.size(0), a.x.dtype(), a.chunk_rows);
  chunks.logits_rows = std::min(chunks.logits_rows, a.x.size(0));
  chunks.gradient_rows = std::min(chunks.gradient_rows, a.x.size(0));
  return chunks;
}

/// logits = x[begin, begin + rows of logits) weight^T
void compute_logits(const LinearCrossEntropyForward& a, std::int64_t begin, const Tensor& logits,
                    const ExecutionContext& ctx) {
  const Tensor x = a.x.slice(0, begin, begin + logits.size(0));
  krait::gemm({.a = x, .b = a.weight, .c = logits, .transpose_b = true}, ctx);
}

/// dlogits (in the dtype of x) of the rows that begin at `begin`, from their logits.
template <class T>
void launch_gradient(const LinearCrossEntropyBackward& b, std::int64_t begin, const Tensor& logits,
                     const Tensor& dlogits, const ExecutionContext& ctx) {
  const LinearCrossEntropyForward& a = b.forward;
  const GradientRows<T> rows{.logits = device_data<float>(logits),
                             .dlogits = device_data<T>(dlogits),
                             .stride = dlogits.stride(0),
                             .v = static_cast<int>(logits.size(1)),
                             .targets = device_data<std::int32_t>(a.targets) + begin,
                             .logsumexp = device_data<float>(a.logsumexp) + begin,
                             .dlosses = device_data<float>(b.dlosses) + begin,
                             .label_smoothing = static_cast<float>(a.label_smoothing),
                             .z_loss = static_cast<float>(a.z_loss)};
  row_gradient_kernel<T>
      <<<static_cast<unsigned>(logits.size(0)), threads_for(rows.v), 0, stream_of(ctx)>>>(rows);
  KRAIT_CUDA_CHECK_LAUNCH("row_gradient_kernel");
}

/// dlogits of the rows that begin at `begin`, as many as it has, chunk by chunk of logits.
void compute_dlogits(const LinearCrossEntropyBackward& b, std::int64_t begin,
                     const Tensor& logits_block, const Tensor& dlogits,
                     const ExecutionContext& ctx) {
  const std::int64_t rows = dlogits.size(0), chunk = chunks_of(b.forward).logits_rows;
  visit_device_float(dlogits.dtype(), "linear_cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t row = 0; row < rows; row += chunk) {
      const std::int64_t end = std::min(rows, row + chunk);
      const Tensor part = dlogits.slice(0, row, end);
      const Tensor logits = std::is_same_v<T, float> ? part : logits_block.slice(0, 0, end - row);
      compute_logits(b.forward, begin + row, logits, ctx);
      launch_gradient<T>(b, begin + row, logits, part, ctx);
    }
  });
}

/// dx of the rows that begin at `begin`, and their part of dweight.
void add_products(const LinearCrossEntropyBackward& b, const Gradient& dweight, std::int64_t begin,
                  const Tensor& dlogits, const ExecutionContext& ctx) {
  const LinearCrossEntropyForward& a = b.forward;
  const std::int64_t end = begin + dlogits.size(0);
  if (b.dx.wanted()) {
    krait::gemm({.a = dlogits,
                 .b = a.weight,
                 .c = b.dx.tensor.slice(0, begin, end),
                 .accumulate = b.dx.accumulates()},
                ctx);
  }
  if (dweight.wanted()) {
    krait::gemm({.a = dlogits,
                 .b = a.x.slice(0, begin, end),
                 .c = dweight.tensor,
                 .transpose_a = true,
                 .accumulate = begin > 0 || dweight.accumulates()},
                ctx);
  }
}

}  // namespace

void linear_cross_entropy_forward(const LinearCrossEntropyForward& a, const ExecutionContext& ctx) {
  const std::int64_t rows = a.x.size(0), v = a.weight.size(0);
  if (rows == 0) return;
  const std::int64_t chunk = chunks_of(a).logits_rows;
  const Tensor block = row_block({chunk, v}, DType::F32, ctx);
  for (std::int64_t row = 0; row < rows; row += chunk) {
    const Tensor logits = block.slice(0, 0, std::min(rows - row, chunk));
    compute_logits(a, row, logits, ctx);
    const LossRows r{
        .logits = device_data<float>(logits),
        .stride = block.stride(0),
        .v = static_cast<int>(v),
        .targets = device_data<std::int32_t>(a.targets) + row,
        .label_smoothing = a.label_smoothing,
        .z_loss = a.z_loss,
        .losses = device_data<float>(a.losses) + row,
        .logsumexp = device_data<float>(a.logsumexp) + row,
        .correct = a.correct.defined() ? device_data<std::uint8_t>(a.correct) + row : nullptr};
    row_loss_kernel<<<static_cast<unsigned>(logits.size(0)), threads_for(r.v), 0, stream_of(ctx)>>>(
        r);
    KRAIT_CUDA_CHECK_LAUNCH("row_loss_kernel");
  }
}

void linear_cross_entropy_backward(const LinearCrossEntropyBackward& b,
                                   const ExecutionContext& ctx) {
  const LinearCrossEntropyForward& a = b.forward;
  const std::int64_t rows = a.x.size(0), v = a.weight.size(0);
  const DType dtype = a.x.dtype();
  if (rows == 0) {
    if (b.dweight.mode == GradientMode::Overwrite) krait::fill({.y = b.dweight.tensor}, ctx);
    return;
  }
  const CrossEntropyChunks chunks = chunks_of(a);
  const Tensor dlogits_block = row_block({chunks.gradient_rows, v}, dtype, ctx);
  Tensor logits_block;  // f32 logits become their gradients in place
  if (dtype != DType::F32) {
    logits_block = row_block({chunks.logits_rows, v}, DType::F32, ctx);
  }
  // A bf16 dweight takes the sum over several chunks at the end, rounded once.
  Gradient dweight = b.dweight;
  const bool separate =
      dweight.wanted() && dweight.tensor.dtype() != DType::F32 && rows > chunks.gradient_rows;
  if (separate) {
    dweight = {.tensor = Tensor::empty(a.weight.shape(), DType::F32, a.x.device()),
               .mode = GradientMode::Overwrite};
  }
  for (std::int64_t row = 0; row < rows; row += chunks.gradient_rows) {
    const Tensor dlogits = dlogits_block.slice(0, 0, std::min(rows - row, chunks.gradient_rows));
    compute_dlogits(b, row, logits_block, dlogits, ctx);
    add_products(b, dweight, row, dlogits, ctx);
  }
  if (separate) {
    krait::copy({.x = dweight.tensor, .y = b.dweight.tensor, .accumulate = b.dweight.accumulates()},
                ctx);
  }
}

}  // namespace krait::cuda
