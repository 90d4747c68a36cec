// What every CUDA kernel file shares: element types, launch sizes and streams.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "core/ceil_div.h"
#include "core/cuda/check.h"
#include "core/stream/context.h"
#include "core/tensor/tensor.h"

namespace krait::cuda {

inline cudaStream_t stream_of(const ExecutionContext& ctx) {
  return static_cast<cudaStream_t>(ctx.stream.handle);
}

/// Calls f with a value of the device's type for `t`: float or __nv_bfloat16.
template <class F>
void visit_device_float(DType t, std::string_view op, F&& f) {
  switch (t) {
    case DType::F32:
      f(float{});
      return;
    case DType::BF16:
      f(__nv_bfloat16{});
      return;
    default:
      KRAIT_REQUIRE(false, "[", op, "] on CUDA dtype must be f32 or bf16, got ", t, ".");
  }
}

template <class T>
struct HostType {
  using Type = T;
};
template <>
struct HostType<__nv_bfloat16> {
  using Type = BFloat16;
};
/// The first element as the device's type; null for an undefined tensor.
template <class T>
T* device_data(const Tensor& t) {
  return t.defined() ? reinterpret_cast<T*>(t.data<typename HostType<T>::Type>()) : nullptr;
}

__device__ inline float to_float(float x) {
  return x;
}
__device__ inline float to_float(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
/// Rounds to nearest even.
template <class T>
__device__ inline T from_float(float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
    return __float2bfloat16_rn(x);
  }
}

/// Of the current device.
inline int multiprocessors() {
  int device = 0, count = 1;
  KRAIT_CUDA_CHECK(cudaGetDevice(&device));
  KRAIT_CUDA_CHECK(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device));
  return count;
}

/// Multiprocessors of an H100 and an H200, by which sums over blocks are cut. The device is not
/// asked, so that the order of a sum, and with it the bits, are the same on every GPU; others only
/// lose some occupancy.
inline constexpr int kSumMultiprocessors = 132;

/// Blocks for a grid-stride loop over `count` items of `threads` threads each: enough to fill the
/// GPU, few enough that each does some work.
inline unsigned grid_blocks(std::int64_t count, int threads) {
  const std::int64_t most = std::int64_t{16} * multiprocessors();
  return static_cast<unsigned>(std::clamp<std::int64_t>(ceil_div(count, threads), 1, most));
}

}  // namespace krait::cuda
