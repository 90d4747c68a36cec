#include "kernels/selective_scan.h"

#include <gtest/gtest.h>

#include "tests/kernels/selective_scan_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace scan_test;
using namespace testing;

/// Every output and gradient of the kernel against the plain loop in f64.
void expect_agreement(const Case& c, const Arrays& inputs, const Call& call = {}) {
  Arrays want;
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(::testing::Message() << c << " " << t);
    const Arrays in = as_stored(inputs, kActivations, t);
    if (want.empty() || t == DType::BF16)
      want = naive_scan<double>(c, in);  // f64 and f32: the same
    expect_close(kernel_scan(t, c, in, call), want, call.mode, Allowed(t, kActivations));
  }
}

void expect_agreement_in_all_precisions(const Case& c, const Call& call = {}) {
  expect_agreement(c, random_inputs(c), call);
}

DEVICE_TEST(SelectiveScan, AgreesWithTheLoopAtOddSizes) {
  std::uint64_t seed = 1;
  for (const std::int64_t l : {1, 2, 7, 31, 33, 127, 130}) {
    for (const std::int64_t n : {1, 4, 16, 64, 200}) {
      for (const std::int64_t d : {1, 3, 8, 20}) {
        expect_agreement_in_all_precisions(
            {.b = 2, .l = l, .d = d, .n = n, .initial = true, .dfinal = true, .seed = seed++});
      }
    }
  }
}

// Shared memory above 48 KiB is allowed for a kernel on each device by itself.
TEST(GpuSelectiveScan, RunsOnEveryDevice) {
  KRAIT_SKIP_WITHOUT_GPU();
  if (cuda_device_count() == 1) GTEST_SKIP() << "one CUDA device is here";
  for (int index = 0; index < cuda_device_count(); ++index) {
    const Device device{.type = DeviceType::Cuda, .index = static_cast<std::int8_t>(index)};
    SCOPED_TRACE(str(device));
    const testing::TestDeviceScope scope(device);
    SelectiveScan_AgreesWithTheLoopAtOddSizes_body();
    synchronize(device);
  }
}

DEVICE_TEST(SelectiveScan, EachOptionalPartMayBeAbsent) {
  for (int mask = 0; mask < 64; ++mask) {
    expect_agreement_in_all_precisions({.b = 2,
                                        .l = 37,
                                        .d = 12,
                                        .n = 5,
                                        .D = (mask & 1) != 0,
                                        .z = (mask & 2) != 0,
                                        .bias = (mask & 4) != 0,
                                        .softplus = (mask & 8) != 0,
                                        .initial = (mask & 16) != 0,
                                        .dfinal = (mask & 32) != 0,
                                        .seed = static_cast<std::uint64_t>(mask)},
                                       {.chunk_states = mask % 3 != 0});
  }
}

DEVICE_TEST(SelectiveScan, GroupsOfChannelsHaveTheirOwnBAndC) {
  for (const std::int64_t g : {1, 2, 3, 6, 18, 36}) {
    expect_agreement_in_all_precisions({.b = 2, .l = 65, .d = 36, .n = 7, .g = g});
    expect_agreement_in_all_precisions({.b = 1, .l = 40, .d = 36 * 17, .n = 3, .g = g});
  }
}

DEVICE_TEST(SelectiveScan, ReadsAndWritesSlicesOfWiderBuffers) {
  for (const GradientMode mode :
       {GradientMode::Overwrite, GradientMode::Accumulate, GradientMode::Ignore}) {
    for (const Layout rows : {Layout::OddSlice, Layout::AlignedSlice}) {
      for (const std::int64_t d : {1, 8, 21, 64}) {
        expect_agreement_in_all_precisions(
            {.b = 2, .l = 45, .d = d, .n = 6, .initial = true, .dfinal = true},
            {.rows = rows, .mode = mode});
        expect_agreement_in_all_precisions({.b = 2, .l = 45, .d = d, .n = 16},
                                           {.rows = rows, .mode = mode});
      }
    }
  }
}

DEVICE_TEST(SelectiveScan, AddsToGradientsOrLeavesThemAlone) {
  for (const GradientMode mode : {GradientMode::Accumulate, GradientMode::Ignore}) {
    expect_agreement_in_all_precisions(
        {.b = 3, .l = 50, .d = 20, .n = 9, .g = 2, .initial = true, .dfinal = true},
        {.mode = mode});
  }
}

DEVICE_TEST(SelectiveScan, ManyTilesAddUpToDBAndDC) {
  // 4096 channels in 16 slices of 16 tiles (f32)
  expect_agreement_in_all_precisions({.b = 1, .l = 40, .d = 4096, .n = 2});
  // and a number of channels that leaves the last tile ragged, with groups that cut tiles
  expect_agreement_in_all_precisions({.b = 2, .l = 5, .d = 4092, .n = 2, .g = 3});
  expect_agreement_in_all_precisions({.b = 1, .l = 3, .d = 4097, .n = 16});
}

DEVICE_TEST(SelectiveScan, StateIsForgottenWhereTheSequenceIdChanges) {
  for (const std::int64_t documents : {2, 5, 40}) {
    for (const std::int64_t l : {2, 40, 130}) {
      expect_agreement_in_all_precisions({.b = 2,
                                          .l = l,
                                          .d = 5,
                                          .n = 6,
                                          .initial = true,
                                          .dfinal = true,
                                          .documents = documents});
    }
  }
}

DEVICE_TEST(SelectiveScan, StateIsForgottenAtTheBordersOfTiles) {
  for (const std::int64_t step : {16, 32, 64, 256}) {
    for (const std::int64_t shift : {-1, 0, 1}) {
      const Case c{.b = 2, .l = 2 * 256 + 5, .d = 7, .n = 4, .initial = true, .dfinal = true};
      SCOPED_TRACE(::testing::Message() << "every " << step << ", shifted by " << shift);
      Arrays in = random_inputs(c);
      for (std::int64_t i = 0; i < c.b * c.l; ++i) {
        in["sequence_ids"].push_back(static_cast<double>((i % c.l + step + shift) / step));
      }
      expect_agreement(c, in);
    }
  }
}

DEVICE_TEST(SelectiveScan, OneLongSequenceIsCutInTime) {
  for (const std::int64_t documents : {1, 3, 300}) {
    for (const std::int64_t l : {2047, 2048, 2049, 5000, 9001}) {
      expect_agreement_in_all_precisions({.b = 2,
                                          .l = l,
                                          .d = 20,
                                          .n = 3,
                                          .initial = true,
                                          .dfinal = true,
                                          .documents = documents});
    }
  }
}

DEVICE_TEST(SelectiveScan, ALongSequenceNeedsNoSavedStates) {
  for (const std::int64_t l : {2049, 5000}) {
    expect_agreement_in_all_precisions(
        {.l = l, .d = 20, .n = 16, .initial = true, .dfinal = true, .documents = 3},
        {.rows = Layout::OddSlice, .mode = GradientMode::Accumulate, .chunk_states = false});
  }
}

DEVICE_TEST(SelectiveScan, SoftplusAndGateHoldAtTheirEnds) {
  const Case c{.b = 2, .l = 40, .d = 9, .n = 3, .bias = false};
  Arrays in = random_inputs(c);
  // softplus keeps what is beyond 20 and is e^x far below zero; the gate closes and opens
  const std::vector<double> x = {-90, -30, -5, -0.001, 0, 0.001, 3, 19.75, 20, 20.25, 22, 60};
  for (std::size_t i = 0; i < in["delta"].size(); ++i) {
    in["delta"][i] = x[i * 7 % x.size()];
    in["z"][i] = i % 2 == 0 ? x[i * 5 % x.size()] : -x[i * 5 % x.size()];
  }
  expect_agreement(c, in);
}

}  // namespace
}  // namespace krait
