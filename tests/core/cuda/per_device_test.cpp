#include "core/cuda/per_device.h"

#include <gtest/gtest.h>

#include "tests/support/device.h"

namespace krait::cuda {
namespace {

int current_device() {
  int device = -1;
  KRAIT_CUDA_CHECK(cudaGetDevice(&device));
  return device;
}

/// What it was made of, and where.
struct Made {
  explicit Made(int argument) : value(argument), device(current_device()) {}
  int value, device;
};

TEST(GpuPerDevice, HasOneObjectForEachDeviceAndMakesItCurrent) {
  KRAIT_SKIP_WITHOUT_GPU();
  for (int index = cuda_device_count() - 1; index >= 0; --index) {
    const Device device{.type = DeviceType::Cuda, .index = static_cast<std::int8_t>(index)};
    Made& first = per_device<Made>(device, 10 + index);
    EXPECT_EQ(first.value, 10 + index);
    EXPECT_EQ(first.device, index);
    use_device(0);
    EXPECT_EQ(&per_device<Made>(device, 99), &first);
    EXPECT_EQ(current_device(), index);
  }
  use_device(0);
}

}  // namespace
}  // namespace krait::cuda
