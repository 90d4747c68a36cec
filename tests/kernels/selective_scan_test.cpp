#include "kernels/selective_scan.h"

#include <gtest/gtest.h>

#include "core/parallel.h"
#include "tests/kernels/selective_scan_oracle.h"

namespace krait {
namespace {

using namespace scan_test;

template <class T>
void expect_agreement(const Case& c, const Call& call, const Tolerance& tolerance) {
  SCOPED_TRACE(::testing::Message() << c << " " << name_of(dtype_of<T>));
  const Arrays in = random_inputs(c);
  expect_close(kernel_scan<T>(c, in, call), naive_scan<double>(c, in), call.mode, tolerance);
}

/// Every output and gradient of the kernel against the plain loop in f64.
void expect_agreement_in_both_precisions(const Case& c, const Call& call = {}) {
  expect_agreement<double>(c, call, kF64Tolerance);
  expect_agreement<float>(c, call, kF32Tolerance);
}

TEST(SelectiveScan, AgreesWithTheLoopAtOddSizes) {
  std::uint64_t seed = 1;
  for (const std::int64_t l : {1, 2, 7, 31, 33, 127, 130}) {
    for (const std::int64_t n : {1, 4, 16, 64, 200}) {
      for (const std::int64_t d : {1, 3, 8, 20}) {
        expect_agreement_in_both_precisions(
            {.b = 2, .l = l, .d = d, .n = n, .initial = true, .dfinal = true, .seed = seed++});
      }
    }
  }
}

TEST(SelectiveScan, EachOptionalPartMayBeAbsent) {
  for (int mask = 0; mask < 64; ++mask) {
    expect_agreement_in_both_precisions({.b = 2,
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

TEST(SelectiveScan, GroupsOfChannelsHaveTheirOwnBAndC) {
  for (const std::int64_t g : {1, 2, 3, 6, 18, 36}) {
    expect_agreement_in_both_precisions({.b = 2, .l = 65, .d = 36, .n = 7, .g = g});
    expect_agreement_in_both_precisions({.b = 1, .l = 40, .d = 36 * 17, .n = 3, .g = g});
  }
}

TEST(SelectiveScan, ReadsAndWritesSlicesOfWiderBuffers) {
  for (const GradientMode mode :
       {GradientMode::Overwrite, GradientMode::Accumulate, GradientMode::Ignore}) {
    for (const std::int64_t d : {1, 8, 21, 64}) {
      expect_agreement_in_both_precisions(
          {.b = 2, .l = 45, .d = d, .n = 6, .initial = true, .dfinal = true},
          {.strided = true, .mode = mode});
    }
  }
}

TEST(SelectiveScan, AddsToGradientsOrLeavesThemAlone) {
  for (const GradientMode mode : {GradientMode::Accumulate, GradientMode::Ignore}) {
    expect_agreement_in_both_precisions(
        {.b = 3, .l = 50, .d = 20, .n = 9, .g = 2, .initial = true, .dfinal = true},
        {.mode = mode});
  }
}

TEST(SelectiveScan, ManyTilesAddUpToDBAndDC) {
  // 4096 channels in 16 slices of 16 tiles (f32)
  expect_agreement_in_both_precisions({.b = 1, .l = 40, .d = 4096, .n = 2});
}

TEST(SelectiveScan, StateIsForgottenWhereTheSequenceIdChanges) {
  for (const std::int64_t documents : {2, 5, 40}) {
    for (const std::int64_t l : {2, 40, 130}) {
      expect_agreement_in_both_precisions({.b = 2,
                                           .l = l,
                                           .d = 5,
                                           .n = 6,
                                           .initial = true,
                                           .dfinal = true,
                                           .documents = documents});
    }
  }
}

TEST(SelectiveScan, OneLongSequenceIsCutInTime) {
  for (const std::int64_t documents : {1, 3, 300}) {
    for (const std::int64_t l : {2047, 2048, 2049, 5000, 9001}) {
      expect_agreement_in_both_precisions({.b = 2,
                                           .l = l,
                                           .d = 20,
                                           .n = 3,
                                           .initial = true,
                                           .dfinal = true,
                                           .documents = documents});
    }
  }
}

TEST(SelectiveScan, SoftplusAndGateHoldAtTheirEnds) {
  const Case c{.b = 2, .l = 40, .d = 9, .n = 3, .bias = false};
  Arrays in = random_inputs(c);
  // softplus keeps what is beyond 20 and is e^x far below zero; the gate closes and opens
  const std::vector<double> x = {-90, -30, -5, -0.001, 0, 0.001, 3, 19.75, 20, 20.25, 22, 60};
  for (std::size_t i = 0; i < in["delta"].size(); ++i) {
    in["delta"][i] = x[i * 7 % x.size()];
    in["z"][i] = i % 2 == 0 ? x[i * 5 % x.size()] : -x[i * 5 % x.size()];
  }
  const Arrays want = naive_scan<double>(c, in);
  expect_close(kernel_scan<double>(c, in), want, GradientMode::Overwrite, kF64Tolerance);
  expect_close(kernel_scan<float>(c, in), want, GradientMode::Overwrite, kF32Tolerance);
}

}  // namespace
}  // namespace krait
