#include "core/tensor/readback.h"

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"

namespace krait::cuda {

void copy_to_pinned(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  KRAIT_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost,
                                   static_cast<cudaStream_t>(stream.handle)));
}

}  // namespace krait::cuda
