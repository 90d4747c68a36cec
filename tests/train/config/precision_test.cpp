#include "train/config/precision.h"

#include <utility>

#include <gtest/gtest.h>

#include "core/device_properties.h"
#include "core/error.h"
#include "train/config/config.h"

namespace krait {
namespace {

TEST(Precision, DevicesThatThisBuildCannotUseAreConfigErrors) {
  const auto resolve = [](DeviceChoice choice, Precision precision) {
    Config config;
    config.run.device = choice;
    config.train.precision = precision;
    return resolve_device(config);
  };
  EXPECT_EQ(resolve(DeviceChoice::Cpu, Precision::F32), Device{});
  EXPECT_EQ(resolve(DeviceChoice::Cpu, Precision::F64), Device{});
  EXPECT_THROW(resolve(DeviceChoice::Cpu, Precision::Bf16), Error);
  if (!kCudaEnabled) {
    EXPECT_EQ(resolve(DeviceChoice::Auto, Precision::F32), Device{});
    EXPECT_THROW(resolve(DeviceChoice::Cuda, Precision::F32), Error);
  }
}

TEST(Precision, SaysTheDtypesAndTheContext) {
  using Dtypes = std::pair<DType, std::optional<DType>>;
  const auto dtypes = [](Precision p) { return Dtypes(parameter_dtype(p), compute_dtype(p)); };
  EXPECT_EQ(dtypes(Precision::F32), Dtypes(DType::F32, std::nullopt));
  EXPECT_EQ(dtypes(Precision::F64), Dtypes(DType::F64, std::nullopt));
  EXPECT_EQ(dtypes(Precision::Tf32), Dtypes(DType::F32, std::nullopt));
  EXPECT_EQ(dtypes(Precision::Bf16), Dtypes(DType::F32, DType::BF16));
  for (const std::string_view name : kNames<Precision>) {
    const Precision p = value_of<Precision>(name).value();
    EXPECT_EQ(precision_context({}, p).tf32, p == Precision::Tf32) << name;
    EXPECT_EQ(parameter_dtype(kept_precision(p)), parameter_dtype(p)) << name;
    EXPECT_EQ(compute_dtype(kept_precision(p)), std::nullopt) << name;
  }
}

TEST(Precision, AModelIsUsedInItsOwnPrecisionOrInF32) {
  const Device cpu, gpu{.type = DeviceType::Cuda};
  EXPECT_EQ(usable_precision(cpu, Precision::F64), Precision::F64);
  EXPECT_EQ(usable_precision(cpu, Precision::Bf16), Precision::F32);
  EXPECT_EQ(usable_precision(cpu, Precision::Tf32), Precision::F32);
  EXPECT_EQ(usable_precision(gpu, Precision::F64), Precision::F32);
  for (const Precision p : {Precision::F32, Precision::Tf32, Precision::Bf16}) {
    EXPECT_EQ(usable_precision(gpu, p), p);
    EXPECT_EQ(obstacle_to_precision(gpu, p), "");
  }
  EXPECT_EQ(obstacle_to_precision(cpu, Precision::F64), "");
  EXPECT_EQ(obstacle_to_precision(gpu, Precision::F64), "f64 runs on the CPU only");
  const std::string_view reason = cuda_device_count() > 0 ? "this run computes on the CPU"
                                  : kCudaEnabled          ? "this machine has no NVIDIA GPU"
                                                          : "this build has no CUDA backend";
  const std::string obstacle = obstacle_to_precision(cpu, Precision::Bf16);
  EXPECT_TRUE(obstacle.starts_with(str("bf16 needs CUDA, but ", reason))) << obstacle;
}

}  // namespace
}  // namespace krait
