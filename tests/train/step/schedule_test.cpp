#include "train/step/schedule.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hdf5.h>

#include "core/error.h"

namespace krait {
namespace {

using Kind = ScheduleOptions::Kind;

LearningRate schedule(Kind kind, std::int64_t steps, std::int64_t warmup) {
  return {.schedule = {.kind = kind, .warmup_steps = warmup, .min_lr = 0.2},
          .peak = 1.0,
          .steps = steps};
}

TEST(LearningRate, WarmsUpLinearlyAndReachesThePeakAtTheLastWarmUpStep) {
  for (const Kind kind : {Kind::Cosine, Kind::Linear, Kind::Wsd, Kind::Constant}) {
    LearningRate rate = schedule(kind, 100, 10);
    rate.schedule.decay_steps = 20;
    for (std::int64_t step = 1; step <= 10; ++step) {
      EXPECT_DOUBLE_EQ(rate(step), static_cast<double>(step) / 10);
    }
    EXPECT_DOUBLE_EQ(rate(11), 1.0);
  }
}

TEST(LearningRate, CosineIsAtTheMiddleHalfWayAndEndsNearTheLowest) {
  const LearningRate rate = schedule(Kind::Cosine, 110, 10);
  EXPECT_DOUBLE_EQ(rate(61), 0.6);  // t = 1/2
  EXPECT_DOUBLE_EQ(rate(36), 0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2);
  EXPECT_LT(rate(110), 0.2003);
  EXPECT_GT(rate(110), 0.2);
}

TEST(LearningRate, LinearFallsByEqualAmounts) {
  const LearningRate rate = schedule(Kind::Linear, 90, 10);
  for (std::int64_t step = 11; step <= 90; ++step) {
    EXPECT_NEAR(rate(step), 1.0 - 0.01 * static_cast<double>(step - 11), 1e-15);
  }
}

TEST(LearningRate, WsdHoldsThePeakAndEndsAtTheLowest) {
  LearningRate rate = schedule(Kind::Wsd, 100, 10);
  rate.schedule.decay_steps = 40;
  EXPECT_DOUBLE_EQ(rate(60), 1.0);
  EXPECT_DOUBLE_EQ(rate(80), 0.6);
  EXPECT_DOUBLE_EQ(rate(100), 0.2);
}

TEST(LearningRate, ConstantStaysAndIgnoresTheLowest) {
  const LearningRate rate = schedule(Kind::Constant, 5, 0);
  for (std::int64_t step = 1; step <= 5; ++step) EXPECT_EQ(rate(step), 1.0);
}

TEST(LearningRate, AWholeRunOfWarmUpAndARunOfOneStepAreDefined) {
  EXPECT_DOUBLE_EQ(schedule(Kind::Cosine, 10, 10)(10), 1.0);
  EXPECT_DOUBLE_EQ(schedule(Kind::Cosine, 1, 0)(1), 1.0);
}

TEST(LearningRate, RefusesStepsOutsideTheRun) {
  const LearningRate rate = schedule(Kind::Cosine, 10, 0);
  EXPECT_THROW(rate(0), Error);
  EXPECT_THROW(rate(11), Error);
}

double attribute(hid_t group, const char* name) {
  const hid_t attr = H5Aopen(group, name, H5P_DEFAULT);
  double value = 0;
  EXPECT_GE(H5Aread(attr, H5T_NATIVE_DOUBLE, &value), 0) << name;
  H5Aclose(attr);
  return value;
}

std::vector<std::string> groups_of(hid_t file) {
  H5G_info_t info;
  H5Gget_info(file, &info);
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[256];
    H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    names.emplace_back(name);
  }
  return names;
}

TEST(GoldenLearningRate, ReproducesTheRatesOfTheGoldenRuns) {
  const char* folder = std::getenv("KRAIT_GOLDEN_DIR");
  const std::filesystem::path path =
      std::filesystem::path(folder ? folder : KRAIT_SOURCE_DIR "/tests/golden") / "mamba_lm.h5";
  if (folder == nullptr && !std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(file, 0) << path;
  int compared = 0;
  for (const std::string& name : groups_of(file)) {
    const hid_t group = H5Gopen2(file, name.c_str(), H5P_DEFAULT);
    const LearningRate rate{
        .schedule = {.warmup_steps = static_cast<std::int64_t>(attribute(group, "warmup_steps")),
                     .min_lr = attribute(group, "min_lr")},
        .peak = attribute(group, "lr"),
        .steps = static_cast<std::int64_t>(attribute(group, "total_steps"))};
    const hid_t data = H5Dopen2(group, "lrs", H5P_DEFAULT);
    const hid_t space = H5Dget_space(data);
    std::vector<double> expected(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
    H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, expected.data());
    for (std::size_t i = 0; i < expected.size(); ++i, ++compared) {
      // The same formula in f64; a few roundings may fall differently.
      EXPECT_NEAR(rate(static_cast<std::int64_t>(i) + 1), expected[i], 1e-14 * rate.peak)
          << name << " step " << i + 1;
    }
    H5Sclose(space);
    H5Dclose(data);
    H5Gclose(group);
  }
  H5Fclose(file);
  std::cout << "compared " << compared << " learning rates\n";
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace krait
