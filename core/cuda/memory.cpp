#include "core/memory/memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"
#include "core/cuda/per_device.h"
#include "core/stream/stream.h"

namespace krait::cuda {
namespace {

/// Pinned buffers that copies between host and device pass through, used in turn. A buffer is free
/// again when the copy out of it is done.
class Staging {
 public:
  explicit Staging(Device device) : device_(device) {
    for (Slot& s : slots_) {
      use_device(device.index);
      KRAIT_CUDA_CHECK(cudaHostAlloc(&s.memory, kSlotBytes, cudaHostAllocDefault));
      s.done = std::make_unique<Event>(device);
    }
  }

  void to_device(std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const Stream stream = krait::device_stream(device_, StreamKind::Compute);
    for (std::size_t at = 0; at < bytes; at += kSlotBytes) {
      const std::size_t part = std::min(kSlotBytes, bytes - at);
      Slot& s = next();
      std::memcpy(s.memory, from + at, part);
      KRAIT_CUDA_CHECK(cudaMemcpyAsync(to + at, s.memory, part, cudaMemcpyHostToDevice,
                                       static_cast<cudaStream_t>(stream.handle)));
      s.done->record(stream);
    }
  }

  /// While one slot is emptied by the host, the others are filled.
  void to_host(std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const Stream stream = krait::device_stream(device_, StreamKind::Compute);
    const std::size_t ahead = slots_.size() - 1;
    const std::size_t parts = (bytes + kSlotBytes - 1) / kSlotBytes;
    const auto size_of_part = [&](std::size_t i) {
      return std::min(kSlotBytes, bytes - i * kSlotBytes);
    };
    std::array<Slot*, kSlots> filling{};
    for (std::size_t i = 0; i < parts + ahead; ++i) {
      if (i < parts) {
        Slot& s = next();
        KRAIT_CUDA_CHECK(cudaMemcpyAsync(s.memory, from + i * kSlotBytes, size_of_part(i),
                                         cudaMemcpyDeviceToHost,
                                         static_cast<cudaStream_t>(stream.handle)));
        s.done->record(stream);
        filling[i % kSlots] = &s;
      }
      if (i >= ahead && i - ahead < parts) {
        const std::size_t part = i - ahead;
        const Slot& s = *filling[part % kSlots];
        s.done->synchronize();
        std::memcpy(to + part * kSlotBytes, s.memory, size_of_part(part));
      }
    }
  }

 private:
  static constexpr std::size_t kSlotBytes = std::size_t{4} << 20;
  static constexpr std::size_t kSlots = 4;
  struct Slot {
    void* memory = nullptr;
    std::unique_ptr<Event> done;
  };

  Slot& next() {
    Slot& s = slots_[turn_++ % slots_.size()];
    s.done->synchronize();
    return s;
  }

  Device device_;
  std::mutex mutex_;
  std::array<Slot, kSlots> slots_;
  std::size_t turn_ = 0;
};

Staging& staging_of(Device device) {
  return per_device<Staging>(device, device);
}

/// Copies within a GPU, or from one to another. Between GPUs the copy comes after the work that
/// computes the source and before later work that may change it.
void copy_on_device(const MemoryTarget& target, const MemoryOrigin& source, std::size_t bytes) {
  const Stream stream = krait::device_stream(target.device, StreamKind::Compute);
  const bool between = !(source.device == target.device);
  if (between) {
    const Stream origin = krait::device_stream(source.device, StreamKind::Compute);
    Event made(source.device);
    made.record(origin);
    made.block(stream);
  }
  KRAIT_CUDA_CHECK(cudaMemcpyAsync(target.to, source.from, bytes, cudaMemcpyDefault,
                                   static_cast<cudaStream_t>(stream.handle)));
  if (between) {
    Event done(target.device);
    done.record(stream);
    done.block(krait::device_stream(source.device, StreamKind::Compute));
  }
}

}  // namespace

void copy_memory(const MemoryTarget& target, const MemoryOrigin& source, std::size_t bytes) {
  auto* to = static_cast<std::byte*>(target.to);
  const auto* from = static_cast<const std::byte*>(source.from);
  if (!source.device.is_cuda()) return staging_of(target.device).to_device(to, from, bytes);
  if (!target.device.is_cuda()) return staging_of(source.device).to_host(to, from, bytes);
  copy_on_device(target, source, bytes);
}

void zero_memory(const MemoryTarget& target, std::size_t bytes) {
  const Stream stream = krait::device_stream(target.device, StreamKind::Compute);
  KRAIT_CUDA_CHECK(cudaMemsetAsync(target.to, 0, bytes, static_cast<cudaStream_t>(stream.handle)));
}

}  // namespace krait::cuda
