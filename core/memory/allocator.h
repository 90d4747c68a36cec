// A caching allocator. It keeps blocks that are given back for the next request of their size
// class, so a training run asks the operating system (or the CUDA driver) for memory only in its
// first step.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/device.h"

namespace krait {

/// All sizes in bytes.
struct AllocatorStatistics {
  std::size_t active = 0;          // handed out now, rounded up to size classes
  std::size_t peak = 0;            // largest `active` since the last reset_peak()
  std::size_t cached = 0;          // held for reuse
  std::uint64_t allocations = 0;   // requests served
  std::uint64_t driver_calls = 0;  // requests that reached the system
};

/// The memory that a CachingAllocator divides.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// Returns at least `bytes` bytes aligned to kAlignment, or null when there is no memory.
  virtual void* acquire(std::size_t bytes) = 0;
  virtual void release(void* pointer, std::size_t bytes) noexcept = 0;
};

/// Caching keeps blocks for the next request of their size class. Exact asks the source for every
/// request, byte for byte, and gives the block back at once: slow, but a tool that watches the
/// source (compute-sanitizer) then sees every access outside a block and every read of bytes that
/// were never written.
enum class AllocatorMode : std::uint8_t { Caching, Exact };

class ReservedBlocks;

/// Thread-safe. Size classes are spaced 1/8 of a power of two apart: at most 12.5 % is lost.
class CachingAllocator {
 public:
  static constexpr std::size_t kAlignment = 64;  // a cache line, and an AVX-512 register

  explicit CachingAllocator(std::unique_ptr<MemorySource> source,
                            AllocatorMode mode = AllocatorMode::Caching);
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  /// The contents are undefined. Throws Error (Io) when the source has no memory left even after
  /// the cache was given back. `bytes` 0 gives a valid, unique pointer.
  void* allocate(std::size_t bytes);
  /// `bytes` as passed to allocate.
  void deallocate(void* pointer, std::size_t bytes) noexcept;

  AllocatorMode mode() const { return mode_; }
  AllocatorStatistics statistics() const;
  void reset_peak();
  /// Gives every cached block back to the source.
  void trim();

  /// The size class that serves a request.
  static std::size_t size_class(std::size_t bytes);

 private:
  friend class ReservedBlocks;
  using Blocks = std::map<std::size_t, std::vector<void*>>;  // by size class

  std::size_t block_size(std::size_t bytes) const;
  void* take(Blocks& blocks, std::size_t size);
  void* acquire(std::size_t size, std::size_t bytes);
  void release_cache() noexcept;

  std::unique_ptr<MemorySource> source_;
  AllocatorMode mode_;
  mutable std::mutex mutex_;
  Blocks cache_;
  std::unordered_map<void*, ReservedBlocks*> reserved_;  // owners of reserved blocks
  AllocatorStatistics statistics_;
};

/// Blocks that belong to recorded work (core/stream/graph.h): every replay uses them, and nobody
/// else does until this object is destroyed. Not in Exact mode.
class ReservedBlocks {
 public:
  explicit ReservedBlocks(CachingAllocator& allocator);
  /// Blocks in use stay valid, and go to the cache when they are given back.
  ~ReservedBlocks();
  ReservedBlocks(const ReservedBlocks&) = delete;
  ReservedBlocks& operator=(const ReservedBlocks&) = delete;

  /// While one is open, blocks that this thread allocates from the allocator become reserved.
  class Scope {
   public:
    explicit Scope(ReservedBlocks& blocks);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ReservedBlocks* previous_;
  };

 private:
  friend class CachingAllocator;
  CachingAllocator& allocator_;
  CachingAllocator::Blocks free_;
};

/// The process-wide allocator of a device. On a GPU it is ordered by the device's compute stream: a
/// block that is given back can be handed out again at once, for later work in that stream. Code
/// that uses a block on another stream must keep it until that work is done (core/stream/stream.h).
/// The environment variable KRAIT_EXACT_MEMORY, set to anything but 0, puts the allocators of GPUs
/// into Exact mode. Throws for a device that this build or machine lacks.
CachingAllocator& allocator(Device device);

/// The process-wide allocator of host memory that a GPU copies to and from without a staging copy
/// between (pinned). The system gives such memory slowly and cannot move it to the disk, so it is
/// for buffers that are used again and again. Without CUDA it is the allocator of the CPU.
CachingAllocator& pinned_allocator();

namespace cuda {
CachingAllocator& device_allocator(Device device);
CachingAllocator& pinned_allocator();
}  // namespace cuda

}  // namespace krait
