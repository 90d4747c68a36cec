// Queues of device work, and events that mark places in them.
#pragma once
#include <cstdint>

#include "core/device.h"

namespace krait {

/// An in-order queue of device work. On the CPU it is empty. Holds a cudaStream_t without
/// including CUDA headers, so that everything above kernels/ compiles without nvcc.
struct Stream {
  void* handle = nullptr;
};

/// Compute runs all work on tensors; Copy moves memory between host and device at the same time;
/// Communication runs collectives.
enum class StreamKind : std::uint8_t { Compute, Copy, Communication };

/// The process-wide stream of a device; an empty one on the CPU.
Stream device_stream(Device device, StreamKind kind = StreamKind::Compute);

/// Waits until all work submitted to `device` is done, and throws if some of it failed.
void synchronize(Device device);

/// A mark in a stream: it has happened when all work submitted before record() is done. On the CPU
/// it has always happened.
class Event {
 public:
  explicit Event(Device device, bool timed = false);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(const Stream& stream);
  /// Makes later work in `stream` wait for the mark, but not the host.
  void block(const Stream& stream) const;
  /// Makes the host wait for the mark.
  void synchronize() const;
  bool happened() const;
  /// Milliseconds from `start` to this mark. Both must be timed and have happened.
  double milliseconds_since(const Event& start) const;

 private:
  Device device_;
  void* handle_ = nullptr;
};

namespace cuda {
Stream device_stream(Device device, StreamKind kind);
void synchronize(Device device);
void* create_event(Device device, bool timed);
void destroy_event(void* event) noexcept;
void record_event(void* event, const Stream& stream);
void block_on_event(void* event, const Stream& stream);
void synchronize_event(void* event);
bool event_happened(void* event);
double milliseconds_between(void* start, void* end);
}  // namespace cuda

}  // namespace krait
