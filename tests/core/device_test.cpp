#include "core/device.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "core/device_properties.h"
#include "core/error.h"
#include "core/tensor/tensor.h"
#include "tests/support/device.h"

namespace krait {
namespace {

TEST(Device, GpusAreCounted) {
  EXPECT_GE(cuda_device_count(), 0);
  if (!kCudaEnabled) {
    EXPECT_EQ(cuda_device_count(), 0);
  }
}

TEST(Device, ATensorOnAGpuThatIsNotThereIsAnErrorThatNamesIt) {
  const Device missing{.type = DeviceType::Cuda, .index = 100};
  const Tensor host = Tensor::zeros({3}, DType::F32);
  const auto expect_named = [](const auto& call) {
    try {
      call();
      FAIL() << "there is no such device";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("cuda:100"), std::string::npos) << e.what();
    }
  };
  expect_named([&] { Tensor::empty({3}, DType::F32, missing); });
  expect_named([&] { host.to(missing); });
  EXPECT_EQ(host.data<float>()[2], 0) << "the host goes on";
}

// What `make gpu-test` relies on: without it, a machine that lost its GPU would skip every test.
TEST(GpuDevice, IsThereWhenTheRunExpectsIt) {
  if (std::getenv("KRAIT_EXPECT_GPU") != nullptr) {
    ASSERT_GT(cuda_device_count(), 0) << "KRAIT_EXPECT_GPU is set, but there is no CUDA device"
                                      << (kCudaEnabled ? "." : ": this build has no CUDA backend.");
  }
  KRAIT_SKIP_WITHOUT_GPU();
}

TEST(GpuDevice, PropertiesAreSane) {
  KRAIT_SKIP_WITHOUT_GPU();
  if constexpr (kCudaEnabled) {
    const cuda::DeviceProperties p = cuda::device_properties(testing::kGpu);
    EXPECT_FALSE(p.name.empty());
    EXPECT_GE(p.compute_major, 8) << "bf16 needs 8.0";
    EXPECT_GE(p.multiprocessors, 1);
    EXPECT_LE(p.multiprocessors, 1024);
    EXPECT_GE(p.memory_bytes, std::size_t{1} << 30);
    EXPECT_LE(p.memory_bytes, std::size_t{1} << 40);
    EXPECT_GE(p.l2_bytes, std::size_t{1} << 20);
    EXPECT_LE(p.l2_bytes, std::size_t{1} << 30);
    EXPECT_GE(p.driver_version, p.runtime_version / 1000 * 1000) << "minor versions are compatible";
    EXPECT_GE(p.runtime_version, 12000);
    if (p.clock_hz > 0) {
      EXPECT_GT(p.clock_hz, 1e8);
      EXPECT_LT(p.clock_hz, 1e10);
      EXPECT_GT(p.peak_f32_flops(), 1e12);
      EXPECT_LT(p.peak_f32_flops(), 1e15);
    }
  }
}

TEST(GpuDevice, PropertiesOfADeviceThatIsNotThereAreAnError) {
  KRAIT_SKIP_WITHOUT_GPU();
  if constexpr (kCudaEnabled) {
    EXPECT_THROW(cuda::device_properties({.type = DeviceType::Cuda, .index = 100}), Error);
  }
}

}  // namespace
}  // namespace krait
