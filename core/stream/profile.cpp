#include "core/stream/profile.h"

#include <atomic>

#include "core/device.h"

namespace krait {
namespace {
std::atomic<bool> enabled{false};
}  // namespace

void set_profile_ranges(bool on) {
  enabled.store(on, std::memory_order_relaxed);
}

ProfileRange::ProfileRange(std::string_view name)
    : open_(kCudaEnabled && enabled.load(std::memory_order_relaxed)) {
  if constexpr (kCudaEnabled) {
    if (open_) cuda::push_profile_range(name);
  }
}

ProfileRange::~ProfileRange() {
  if constexpr (kCudaEnabled) {
    if (open_) cuda::pop_profile_range();
  }
}

}  // namespace krait
