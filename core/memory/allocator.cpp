#include "core/memory/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "core/error.h"

#if defined(__SANITIZE_ADDRESS__)
#  include <sanitizer/asan_interface.h>
#else
#  define ASAN_POISON_MEMORY_REGION(pointer, size) ((void)(pointer), (void)(size))
#  define ASAN_UNPOISON_MEMORY_REGION(pointer, size) ((void)(pointer), (void)(size))
#endif

namespace krait {
namespace {

class HostMemory final : public MemorySource {
 public:
  void* acquire(std::size_t bytes) override {
    return std::aligned_alloc(CachingAllocator::kAlignment, bytes);
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    ASAN_UNPOISON_MEMORY_REGION(pointer, bytes);
    std::free(pointer);
  }
};

/// The blocks that this thread's allocations are reserved for; null: none.
thread_local ReservedBlocks* open_reserve = nullptr;

}  // namespace

CachingAllocator::CachingAllocator(std::unique_ptr<MemorySource> source, AllocatorMode mode)
    : source_(std::move(source)), mode_(mode) {}

CachingAllocator::~CachingAllocator() {
  trim();
}

std::size_t CachingAllocator::size_class(std::size_t bytes) {
  constexpr std::size_t kSmallest = 512;  // below it, steps of 64 bytes would only add classes
  if (bytes <= kSmallest)
    return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) & ~(kAlignment - 1);
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  // bytes > 512, so step >= 64: clang-analyzer does not follow bit_floor
  return (bytes + step - 1) / step * step;  // NOLINT(clang-analyzer-core.DivideZero)
}

std::size_t CachingAllocator::block_size(std::size_t bytes) const {
  return mode_ == AllocatorMode::Exact ? std::max<std::size_t>(bytes, 1) : size_class(bytes);
}

void CachingAllocator::release_cache() noexcept {
  for (auto& [size, blocks] : cache_) {
    for (void* p : blocks) source_->release(p, size);
    statistics_.cached -= size * blocks.size();
    blocks.clear();
  }
}

/// A block of `blocks`, or null.
void* CachingAllocator::take(Blocks& blocks, std::size_t size) {
  auto& own = blocks[size];
  if (own.empty()) return nullptr;
  void* pointer = own.back();
  own.pop_back();
  statistics_.cached -= size;
  return pointer;
}

/// A new block. `bytes` is what was asked for.
void* CachingAllocator::acquire(std::size_t size, std::size_t bytes) {
  ++statistics_.driver_calls;
  void* pointer = source_->acquire(size);
  if (pointer == nullptr) {
    release_cache();
    pointer = source_->acquire(size);
  }
  KRAIT_CHECK(Io, pointer != nullptr, "[allocator] cannot allocate ", bytes, " bytes; ",
              statistics_.active,
              " are in use. Use a smaller batch (train.accumulation cuts one into parts), "
              "train.recompute=blocks or a smaller model.");
  return pointer;
}

void* CachingAllocator::allocate(std::size_t bytes) {
  const std::size_t size = block_size(bytes);
  ReservedBlocks* reserve =
      open_reserve != nullptr && &open_reserve->allocator_ == this ? open_reserve : nullptr;
  const std::lock_guard lock(mutex_);
  void* pointer = reserve != nullptr ? take(reserve->free_, size) : nullptr;
  if (pointer == nullptr) {
    pointer = take(cache_, size);
    if (pointer == nullptr) pointer = acquire(size, bytes);
    if (reserve != nullptr) reserved_[pointer] = reserve;
  }
  // Cached blocks, and the tail of a block beyond the request, are off limits under ASan.
  ASAN_POISON_MEMORY_REGION(pointer, size);
  ASAN_UNPOISON_MEMORY_REGION(pointer, bytes);
  ++statistics_.allocations;
  statistics_.active += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.active);
  return pointer;
}

void CachingAllocator::deallocate(void* pointer, std::size_t bytes) noexcept {
  const std::size_t size = block_size(bytes);
  const std::lock_guard lock(mutex_);
  statistics_.active -= size;
  if (mode_ == AllocatorMode::Exact) return source_->release(pointer, size);
  ASAN_POISON_MEMORY_REGION(pointer, size);
  const auto owner = reserved_.find(pointer);
  (owner == reserved_.end() ? cache_ : owner->second->free_)[size].push_back(pointer);
  statistics_.cached += size;
}

ReservedBlocks::ReservedBlocks(CachingAllocator& allocator) : allocator_(allocator) {
  KRAIT_REQUIRE(allocator.mode() == AllocatorMode::Caching,
                "[ReservedBlocks] an allocator in Exact mode reuses nothing.");
}

ReservedBlocks::~ReservedBlocks() {
  const std::lock_guard lock(allocator_.mutex_);
  std::erase_if(allocator_.reserved_, [&](const auto& block) { return block.second == this; });
  for (auto& [size, blocks] : free_) {
    auto& cached = allocator_.cache_[size];
    cached.insert(cached.end(), blocks.begin(), blocks.end());
  }
}

ReservedBlocks::Scope::Scope(ReservedBlocks& blocks)
    : previous_(std::exchange(open_reserve, &blocks)) {}

ReservedBlocks::Scope::~Scope() {
  open_reserve = previous_;
}

AllocatorStatistics CachingAllocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void CachingAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak = statistics_.active;
}

void CachingAllocator::trim() {
  const std::lock_guard lock(mutex_);
  release_cache();
}

CachingAllocator& allocator(Device device) {
  if (device.is_cuda()) {
    if constexpr (kCudaEnabled) {
      return cuda::device_allocator(device);
    } else {
      KRAIT_REQUIRE(false, "[allocator] built without CUDA: got device ", device, ".");
    }
  }
  // Never destroyed: tensors in static storage may outlive any order of destructors.
  static auto& host = *new CachingAllocator(std::make_unique<HostMemory>());
  return host;
}

CachingAllocator& pinned_allocator() {
  if constexpr (kCudaEnabled) {
    return cuda::pinned_allocator();
  } else {
    return allocator({});
  }
}

}  // namespace krait
