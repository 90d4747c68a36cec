// What forward and backward of norm share: who works on a row, sums over it, outputs of two dtypes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/contract/gradient.h"
#include "kernels/cuda/device/pack.cuh"
#include "kernels/cuda/device/warp.cuh"

namespace krait::cuda::norm {

inline constexpr int kWidth = 4;           // elements of one access: 16 bytes of f32, 8 of bf16
inline constexpr int kMostColumns = 8192;  // of a row that is held in registers
inline constexpr int kMostWarps = 16;      // of a block
inline constexpr int kPlainThreads = 256;  // of a block of the kernels for any row
inline constexpr std::int64_t kMostBlocks = std::numeric_limits<std::int32_t>::max();

/// A block of `warps` warps a row times `rows` rows: threadIdx.x counts the threads of a row.
struct RowLayout {
  int warps = 1, rows = 1;
  dim3 threads() const {
    return dim3(static_cast<unsigned>(warps * kWarp), static_cast<unsigned>(rows));
  }
};
/// For rows of d columns, held as `packs` packs a thread, in blocks of about `block_warps` warps.
inline RowLayout row_layout(std::int64_t d, int packs, int block_warps) {
  const int warps = static_cast<int>(ceil_div(d, std::int64_t{kWarp} * kWidth * packs));
  return {warps, std::max(1, block_warps / warps)};
}

/// An output in f32 or bf16; data is null when it is not wanted. A branch at the store costs less
/// than kernels for both.
struct FloatOutput {
  void* data = nullptr;
  bool narrow = false;  // bf16
  bool accumulate = false;
};
inline FloatOutput output_of(const Tensor& t, bool accumulate = false) {
  const bool narrow = t.dtype() == DType::BF16;
  void* data = narrow ? static_cast<void*>(device_data<__nv_bfloat16>(t)) : device_data<float>(t);
  return {data, narrow, accumulate};
}
inline FloatOutput output_of(const Gradient& g) {
  return g.wanted() ? output_of(g.tensor, g.accumulates()) : FloatOutput{};
}
inline bool is_aligned(const FloatOutput& out) {
  return out.narrow ? cuda::is_aligned<kWidth>(static_cast<__nv_bfloat16*>(out.data))
                    : cuda::is_aligned<kWidth>(static_cast<float*>(out.data));
}

template <class T, int kCount>
__device__ inline void write_as(T* to, bool accumulate, const float (&from)[kCount]) {
  float values[kCount] = {};
  if (accumulate) load_pack<kCount>(to, values);
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] += from[i];
  store_pack<kCount>(to, values);
}
template <int kCount>
__device__ inline void write(const FloatOutput& out, std::int64_t offset,
                             const float (&from)[kCount]) {
  if (out.narrow) {
    write_as(static_cast<__nv_bfloat16*>(out.data) + offset, out.accumulate, from);
  } else {
    write_as(static_cast<float*>(out.data) + offset, out.accumulate, from);
  }
}

/// Sums kCount values over the threads of a row; every thread gets them, in the same bits. All
/// threads of the block call it. Consecutive calls alternate between two `shared` buffers, so that
/// one barrier is enough: a thread that has passed it has read what the previous call left in the
/// other buffer.
template <int kCount>
__device__ inline void row_sums(float (&values)[kCount], float (&shared)[kMostWarps][kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
#pragma unroll
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      values[i] += __shfl_xor_sync(kAllLanes, values[i], mask);
    }
  }
  const unsigned warps = blockDim.x / kWarp, first = threadIdx.y * warps;
  if (warps == 1) return;
  if (threadIdx.x % kWarp == 0) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) shared[first + threadIdx.x / kWarp][i] = values[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    float sum = 0;
    for (unsigned w = 0; w < warps; ++w) sum += shared[first + w][i];
    values[i] = sum;
  }
}

}  // namespace krait::cuda::norm
