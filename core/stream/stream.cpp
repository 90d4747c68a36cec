#include "core/stream/stream.h"

#include "core/error.h"

namespace krait {
namespace {

void require_backend(Device device) {
  KRAIT_REQUIRE(!device.is_cuda() || kCudaEnabled, "[stream] built without CUDA: got device ",
                device, ".");
}

}  // namespace

Stream device_stream(Device device, StreamKind kind) {
  require_backend(device);
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) return cuda::device_stream(device, kind);
  }
  return {};
}

void synchronize(Device device) {
  require_backend(device);
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) cuda::synchronize(device);
  }
}

Event::Event(Device device, bool timed) : device_(device) {
  require_backend(device);
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) handle_ = cuda::create_event(device, timed);
  }
}

Event::~Event() {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) cuda::destroy_event(handle_);
  }
}

void Event::record(const Stream& stream) {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) cuda::record_event(handle_, stream);
  }
}

void Event::block(const Stream& stream) const {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) cuda::block_on_event(handle_, stream);
  }
}

void Event::synchronize() const {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) cuda::synchronize_event(handle_);
  }
}

bool Event::happened() const {
  if constexpr (kCudaEnabled) {
    if (handle_ != nullptr) return cuda::event_happened(handle_);
  }
  return true;
}

double Event::milliseconds_since(const Event& start) const {
  KRAIT_REQUIRE(device_.is_cuda() && start.device_.is_cuda(),
                "[Event] only marks on a GPU are timed.");
  if constexpr (kCudaEnabled) return cuda::milliseconds_between(start.handle_, handle_);
  return 0;
}

}  // namespace krait
