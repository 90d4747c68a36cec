#include "core/memory/memory.h"

#include <cstring>

#include "core/error.h"

namespace krait {

void copy_memory(const MemoryTarget& target, const MemoryOrigin& source, std::size_t bytes) {
  if (bytes == 0) return;
  if (!target.device.is_cuda() && !source.device.is_cuda()) {
    std::memcpy(target.to, source.from, bytes);
    return;
  }
  if constexpr (kCudaEnabled) {
    cuda::copy_memory(target, source, bytes);
  } else {
    KRAIT_REQUIRE(false, "[copy_memory] built without CUDA: got memory of a GPU.");
  }
}

void zero_memory(const MemoryTarget& target, std::size_t bytes) {
  if (bytes == 0) return;
  if (!target.device.is_cuda()) {
    std::memset(target.to, 0, bytes);
    return;
  }
  if constexpr (kCudaEnabled) {
    cuda::zero_memory(target, bytes);
  } else {
    KRAIT_REQUIRE(false, "[zero_memory] built without CUDA: got memory of a GPU.");
  }
}

}  // namespace krait
