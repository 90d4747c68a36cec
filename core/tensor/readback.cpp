#include "core/tensor/readback.h"

#include <cstring>
#include <utility>

namespace krait {
namespace {

std::byte* first_byte(const Tensor& t) {
  return t.storage()->data() + static_cast<std::size_t>(t.offset()) * size_of(t.dtype());
}

void copy_bytes(const Tensor& from, std::byte* to, const Stream& stream) {
  if constexpr (kCudaEnabled) {
    if (from.device().is_cuda()) {
      return cuda::copy_to_pinned(to, first_byte(from), from.bytes(), stream);
    }
  }
  std::memcpy(to, first_byte(from), from.bytes());
}

}  // namespace

Tensor copy_to_host(const Tensor& values, const Stream& stream) {
  KRAIT_REQUIRE(values.defined() && values.is_contiguous(),
                "[copy_to_host] needs a contiguous tensor, got shape ", values.shape(), " strides ",
                values.strides(), ".");
  const Tensor here = values.device().is_cuda() ? Tensor::pinned(values.shape(), values.dtype())
                                                : Tensor::empty(values.shape(), values.dtype());
  copy_bytes(values, first_byte(here), stream);
  return here;
}

Readback::Readback(Device device, std::size_t capacity)
    : device_(device), capacity_(capacity), done_(device) {
  if (!device.is_cuda()) return;
  memory_ = Tensor::pinned({static_cast<std::int64_t>(capacity)}, DType::U8);
}

Readback::~Readback() {
  try {
    if (values_.defined()) done_.synchronize();
  } catch (const Error&) {  // the device failed, which others report
  }
}

void Readback::start(const Tensor& values) {
  KRAIT_REQUIRE(values.is_contiguous() && values.device() == device_ && values.bytes() <= capacity_,
                "[Readback] needs a contiguous tensor of at most ", capacity_, " bytes on ",
                device_, ", got ", values.bytes(), " on ", values.device(), ".");
  KRAIT_REQUIRE(!values_.defined(), "[Readback] a copy is still on its way.");
  const Stream stream = device_stream(device_);
  if (!device_.is_cuda()) {
    values_ = copy_to_host(values, stream);
    return;
  }
  values_ = values;
  copy_bytes(values, first_byte(memory_), stream);
  done_.record(stream);
}

Tensor Readback::wait() {
  KRAIT_REQUIRE(values_.defined(), "[Readback] nothing is on its way.");
  Tensor values = std::exchange(values_, Tensor());
  if (!device_.is_cuda()) return values;
  done_.synchronize();
  Tensor here = Tensor::empty(values.shape(), values.dtype());
  std::memcpy(here.storage()->data(), first_byte(memory_), here.bytes());
  return here;
}

}  // namespace krait
