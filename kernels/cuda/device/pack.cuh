// Neighbouring elements that a thread loads and stores with one access.
#pragma once
#include <cstdint>

#include "kernels/cuda/device/launch.cuh"

namespace krait::cuda {

template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

/// Whether packs of kWidth elements may be read from here.
template <int kWidth, class T>
bool is_aligned(const T* data) {
  return reinterpret_cast<std::uintptr_t>(data) % (sizeof(T) * kWidth) == 0;
}

template <int kWidth, class T>
__device__ inline void load_pack(const T* from, float (&to)[kWidth]) {
  const auto pack = *reinterpret_cast<const Pack<T, kWidth>*>(from);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) to[i] = to_float(pack.values[i]);
}

template <int kWidth, class T>
__device__ inline void store_pack(T* to, const float (&from)[kWidth]) {
  Pack<T, kWidth> pack;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) pack.values[i] = from_float<T>(from[i]);
  *reinterpret_cast<Pack<T, kWidth>*>(to) = pack;
}

}  // namespace krait::cuda
