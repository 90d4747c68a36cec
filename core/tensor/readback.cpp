#include "core/tensor/readback.h"

#include <cstring>
#include <utility>

namespace krait {
namespace {

void* pinned_memory(Device device, std::size_t bytes) {
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) return cuda::allocate_pinned(device, bytes);
  }
  return nullptr;
}

const std::byte* first_byte(const Tensor& t) {
  return t.storage()->data() + static_cast<std::size_t>(t.offset()) * size_of(t.dtype());
}

}  // namespace

Readback::Readback(Device device, std::size_t capacity)
    : device_(device),
      capacity_(capacity),
      memory_(pinned_memory(device, capacity)),
      done_(device) {}

Readback::~Readback() {
  if constexpr (kCudaEnabled) {
    if (memory_ == nullptr) return;
    try {
      if (values_.defined()) done_.synchronize();
    } catch (const Error&) {  // the device failed, which others report
    }
    cuda::free_pinned(memory_);
  }
}

void Readback::start(const Tensor& values) {
  KRAIT_REQUIRE(values.is_contiguous() && values.device() == device_ && values.bytes() <= capacity_,
                "[Readback] needs a contiguous tensor of at most ", capacity_, " bytes on ",
                device_, ", got ", values.bytes(), " on ", values.device(), ".");
  KRAIT_REQUIRE(!values_.defined(), "[Readback] a copy is still on its way.");
  values_ = values;
  if constexpr (kCudaEnabled) {
    if (device_.is_cuda()) {
      cuda::copy_to_pinned(memory_, first_byte(values), values.bytes(), device_);
      done_.record(device_stream(device_));
      return;
    }
  }
  values_ = Tensor::empty(values.shape(), values.dtype());
  std::memcpy(values_.storage()->data(), first_byte(values), values.bytes());
}

Tensor Readback::wait() {
  KRAIT_REQUIRE(values_.defined(), "[Readback] nothing is on its way.");
  Tensor values = std::exchange(values_, Tensor());
  if (!device_.is_cuda()) return values;
  done_.synchronize();
  Tensor here = Tensor::empty(values.shape(), values.dtype());
  std::memcpy(here.storage()->data(), memory_, here.bytes());
  return here;
}

}  // namespace krait
