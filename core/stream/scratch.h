// Temporary memory of kernels.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/memory/allocator.h"
#include "core/stream/context.h"

namespace krait {

/// Temporary memory of a kernel: `count` elements of T on the context's device, uninitialised,
/// given back (to the cache, so without a driver call) when the scope ends.
template <class T>
class Scratch {
 public:
  Scratch(std::int64_t count, const ExecutionContext& ctx)
      : count_(static_cast<std::size_t>(count)),
        allocator_(allocator(ctx.device)),
        data_(static_cast<T*>(allocator_.allocate(count_ * sizeof(T)))) {}
  ~Scratch() { allocator_.deallocate(data_, count_ * sizeof(T)); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const { return data_; }
  std::span<T> span() const { return {data_, count_}; }
  T& operator[](std::int64_t i) const { return data_[i]; }

 private:
  std::size_t count_;
  CachingAllocator& allocator_;
  T* data_;
};

}  // namespace krait
