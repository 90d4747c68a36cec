#include "core/stream/stream.h"

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"
#include "core/device_properties.h"

namespace krait::cuda {
namespace {

constexpr std::size_t kKinds = 3;

struct DeviceStreams {
  std::once_flag created;
  std::array<cudaStream_t, kKinds> streams{};
};

/// Made at first use and never destroyed: the driver may be gone when static objects go.
DeviceStreams& streams_of(Device device) {
  static auto& all = *new std::vector<DeviceStreams>(static_cast<std::size_t>(device_count()));
  const auto index = static_cast<std::size_t>(device.index);
  KRAIT_CHECK(Usage, index < all.size(), "[stream] there is no device ", device,
              "; this process sees ", all.size(), " CUDA devices.");
  DeviceStreams& own = all[index];
  std::call_once(own.created, [&] {
    use_device(device.index);
    for (cudaStream_t& s : own.streams) {
      KRAIT_CUDA_CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    }
  });
  return own;
}

cudaStream_t handle(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.handle);
}
cudaEvent_t handle(void* event) {
  return static_cast<cudaEvent_t>(event);
}

}  // namespace

Stream device_stream(Device device, StreamKind kind) {
  DeviceStreams& own = streams_of(device);
  use_device(device.index);
  return {own.streams[static_cast<std::size_t>(kind)]};
}

void synchronize(Device device) {
  use_device(device.index);
  KRAIT_CUDA_CHECK(cudaDeviceSynchronize());
}

void* create_event(Device device, bool timed) {
  use_device(device.index);
  cudaEvent_t event = nullptr;
  KRAIT_CUDA_CHECK(
      cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming));
  return event;
}

void destroy_event(void* event) noexcept {
  cudaEventDestroy(handle(event));
}

void record_event(void* event, const Stream& stream) {
  KRAIT_CUDA_CHECK(cudaEventRecord(handle(event), handle(stream)));
}

void block_on_event(void* event, const Stream& stream) {
  KRAIT_CUDA_CHECK(cudaStreamWaitEvent(handle(stream), handle(event), 0));
}

void synchronize_event(void* event) {
  KRAIT_CUDA_CHECK(cudaEventSynchronize(handle(event)));
}

bool event_happened(void* event) {
  const cudaError_t status = cudaEventQuery(handle(event));
  if (status == cudaErrorNotReady) return false;
  KRAIT_CUDA_CHECK(status);
  return true;
}

double milliseconds_between(void* start, void* end) {
  float ms = 0;
  KRAIT_CUDA_CHECK(cudaEventElapsedTime(&ms, handle(start), handle(end)));
  return static_cast<double>(ms);
}

}  // namespace krait::cuda
