// Combines one value of each thread of a group, in an order fixed by the group's size.
#pragma once
#include <cstdint>

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/warp.cuh"

namespace krait::cuda {

/// The value of the lane whose number differs in the bits of `mask`.
template <class T>
__device__ inline T from_lane_xor(const T& value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}

/// What the group's threads combine to, for all of them. A group is `lanes` neighbouring threads: a
/// power of two up to 32, or more than 32 for the whole block (of whole warps). Every thread of the
/// block must call it with the same `lanes`; `shared` holds a value a warp. `combine` is applied in
/// either order of its arguments.
template <class T, class Combine>
__device__ T reduce_group(T value, int lanes, T* shared, Combine combine) {
  const int width = lanes < kWarp ? lanes : kWarp;
  for (int mask = width / 2; mask > 0; mask /= 2) {
    value = combine(value, from_lane_xor(value, mask));
  }
  if (lanes <= kWarp) return value;
  __syncthreads();  // an earlier result in `shared` has been read
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = shared[0];
  for (int warp = 1; warp < static_cast<int>(blockDim.x) / kWarp; ++warp) {
    value = combine(value, shared[warp]);
  }
  return value;
}

}  // namespace krait::cuda
