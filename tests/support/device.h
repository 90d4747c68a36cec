// One test body for every device.
//
//   DEVICE_TEST(Gemm, EqualsTheTripleLoop) { ... }
//
// runs as Gemm.EqualsTheTripleLoop on the CPU and as GpuGemm.EqualsTheTripleLoop on the first GPU;
// the second carries the label gpu and is skipped where there is none. The body puts its tensors on
// test_device() (the helpers of tests/support/tensors.h do) and loops over test_dtypes().
#pragma once
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/stream/context.h"
#include "core/stream/stream.h"
#include "core/tensor/tensor.h"

namespace krait::testing {

/// Where the running test computes.
inline Device& test_device_slot() {
  static Device device;
  return device;
}
inline Device test_device() {
  return test_device_slot();
}
inline bool on_gpu() {
  return test_device().is_cuda();
}
inline constexpr Device kGpu{.type = DeviceType::Cuda};

/// For its lifetime the tests' device, and the current one of this thread.
class TestDeviceScope {
 public:
  explicit TestDeviceScope(Device device) : context_(execution_context(device)) {
    test_device_slot() = device;
  }
  ~TestDeviceScope() { test_device_slot() = {}; }
  TestDeviceScope(const TestDeviceScope&) = delete;
  TestDeviceScope& operator=(const TestDeviceScope&) = delete;

 private:
  ContextScope context_;
};

/// The dtypes that operations compute in on the test's device, the exactest first.
inline std::vector<DType> test_dtypes() {
  return on_gpu() ? std::vector{DType::F32, DType::BF16} : std::vector{DType::F64, DType::F32};
}

inline bool is_labelled_gpu() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return std::string_view(test->test_suite_name()).starts_with("Gpu");
}

/// The spacing of numbers near 1, halved: the largest relative error of one rounding.
inline double rounding_of(DType t) {
  return t == DType::F64 ? 0x1p-53 : t == DType::F32 ? 0x1p-24 : 0x1p-8;
}

}  // namespace krait::testing

/// For a test of a suite Gpu..., which is what gives it the label: any other would be skipped here
/// and left out there, and never run.
#define KRAIT_SKIP_WITHOUT_GPU()                                               \
  ASSERT_TRUE(::krait::testing::is_labelled_gpu()) << "name the suite Gpu..."; \
  if (::krait::cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device is here"

#define DEVICE_TEST(suite, name)                                                  \
  static void suite##_##name##_body();                                            \
  TEST(suite, name) {                                                             \
    suite##_##name##_body();                                                      \
  }                                                                               \
  TEST(Gpu##suite, name) {                                                        \
    KRAIT_SKIP_WITHOUT_GPU();                                                     \
    const ::krait::testing::TestDeviceScope device_scope(::krait::testing::kGpu); \
    suite##_##name##_body();                                                      \
    ::krait::synchronize(::krait::testing::kGpu);                                 \
  }                                                                               \
  static void suite##_##name##_body()
