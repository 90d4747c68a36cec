// Several neighbouring elements of any type that one instruction moves.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device/launch.cuh"

namespace krait::cuda {

constexpr int kVectorBytes = 16;  // the widest access of a thread

template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Vector {
  static_assert(sizeof(T) * kWidth <= kVectorBytes && (kWidth & (kWidth - 1)) == 0);
  T v[kWidth];
};

/// Elements of T in the widest access.
template <class T>
inline constexpr int vector_width = kVectorBytes / static_cast<int>(sizeof(T));

template <int kWidth, class T>
__device__ inline Vector<T, kWidth> load_vector(const T* from) {
  return *reinterpret_cast<const Vector<T, kWidth>*>(from);
}
template <int kWidth, class T>
__device__ inline void store_vector(T* to, const Vector<T, kWidth>& vector) {
  *reinterpret_cast<Vector<T, kWidth>*>(to) = vector;
}
/// One element, repeated.
template <int kWidth, class T>
__device__ inline Vector<T, kWidth> repeat_vector(const T* from) {
  const T value = *from;
  Vector<T, kWidth> vector;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) vector.v[i] = value;
  return vector;
}

/// Whether vectors of `width` elements of `size` bytes can begin at `pointer`.
inline bool is_vector_aligned(const void* pointer, std::size_t size, int width) {
  return reinterpret_cast<std::uintptr_t>(pointer) % (size * static_cast<std::size_t>(width)) == 0;
}

}  // namespace krait::cuda
