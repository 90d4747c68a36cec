#include "core/tensor/readback.h"

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"

namespace krait::cuda {

void* allocate_pinned(Device device, std::size_t bytes) {
  use_device(device.index);
  void* memory = nullptr;
  KRAIT_CUDA_CHECK(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
  return memory;
}

void free_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
  cudaGetLastError();
}

void copy_to_pinned(void* to, const void* from, std::size_t bytes, Device device) {
  const Stream stream = krait::device_stream(device, StreamKind::Compute);
  KRAIT_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost,
                                   static_cast<cudaStream_t>(stream.handle)));
}

}  // namespace krait::cuda
