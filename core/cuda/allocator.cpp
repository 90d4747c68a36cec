#include "core/memory/allocator.h"

#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"
#include "core/device_properties.h"

namespace krait::cuda {
namespace {

/// What the driver gives, or null when it has no memory left.
void* pointer_or_null(void* pointer, cudaError_t status) {
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  KRAIT_CUDA_CHECK(status);
  return pointer;
}

class DeviceMemory final : public MemorySource {
 public:
  explicit DeviceMemory(int device) : device_(device) {}
  void* acquire(std::size_t bytes) override {
    use_device(device_);
    void* pointer = nullptr;
    const cudaError_t status = cudaMalloc(&pointer, bytes);
    return pointer_or_null(pointer, status);
  }
  void release(void* pointer, std::size_t) noexcept override {
    cudaFree(pointer);  // waits for the device, so work in flight has ended
    cudaGetLastError();
  }

 private:
  int device_;
};

/// For every GPU of the process.
class PinnedMemory final : public MemorySource {
 public:
  void* acquire(std::size_t bytes) override {
    void* pointer = nullptr;
    const cudaError_t status = cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable);
    return pointer_or_null(pointer, status);
  }
  void release(void* pointer, std::size_t) noexcept override {
    cudaFreeHost(pointer);
    cudaGetLastError();
  }
};

AllocatorMode mode_of_environment() {
  const char* exact = std::getenv("KRAIT_EXACT_MEMORY");
  const bool wanted = exact != nullptr && *exact != '\0' && std::string_view(exact) != "0";
  return wanted ? AllocatorMode::Exact : AllocatorMode::Caching;
}

}  // namespace

CachingAllocator& device_allocator(Device device) {
  // Never destroyed: the driver may be gone when static objects go.
  static auto& all = *new std::vector<std::unique_ptr<CachingAllocator>>([] {
    std::vector<std::unique_ptr<CachingAllocator>> made;
    for (int i = 0; i < device_count(); ++i) {
      made.push_back(std::make_unique<CachingAllocator>(std::make_unique<DeviceMemory>(i),
                                                        mode_of_environment()));
    }
    return made;
  }());
  const auto index = static_cast<std::size_t>(device.index);
  KRAIT_CHECK(Usage, index < all.size(), "[allocator] there is no device ", device,
              "; this process sees ", all.size(), " CUDA devices.");
  return *all[index];
}

CachingAllocator& pinned_allocator() {
  // Never destroyed, for the same reason.
  static auto& pinned = *new CachingAllocator(std::make_unique<PinnedMemory>());
  return pinned;
}

}  // namespace krait::cuda
