#include "kernels/causal_conv1d.h"

#include <gtest/gtest.h>

#include "core/parallel.h"
#include "tests/kernels/causal_conv1d_oracle.h"

namespace krait {
namespace {

using namespace conv_test;

template <class T>
void expect_agreement(const Case& c, const Call& call, const Tolerance& tolerance) {
  SCOPED_TRACE(::testing::Message() << c << " " << name_of(dtype_of<T>));
  const Arrays in = random_inputs(c);
  expect_close(kernel_conv<T>(c, in, call), naive_conv<double>(c, in), call.mode, tolerance);
}

void expect_agreement_in_both_precisions(const Case& c, const Call& call = {}) {
  expect_agreement<double>(c, call, kF64Tolerance);
  expect_agreement<float>(c, call, kF32Tolerance);
}

TEST(CausalConv1d, AgreesWithTheLoopAtOddSizes) {
  std::uint64_t seed = 1;
  for (std::int64_t w = 1; w <= 8; ++w) {
    for (const std::int64_t l : {1, 2, 3, 7, 63, 64, 65, 130}) {
      for (const std::int64_t d : {1, 3, 8, 20, 131}) {
        expect_agreement_in_both_precisions(
            {.b = 2, .l = l, .d = d, .w = w, .initial = true, .dfinal = true, .seed = seed++});
      }
    }
  }
}

TEST(CausalConv1d, EachOptionalPartMayBeAbsent) {
  for (int mask = 0; mask < 16; ++mask) {
    for (const std::int64_t l : {2, 70}) {
      expect_agreement_in_both_precisions({.b = 2,
                                           .l = l,
                                           .d = 21,
                                           .bias = (mask & 1) != 0,
                                           .silu = (mask & 2) != 0,
                                           .initial = (mask & 4) != 0,
                                           .dfinal = (mask & 8) != 0});
    }
  }
}

TEST(CausalConv1d, ReadsAndWritesSlicesOfWiderBuffers) {
  for (const GradientMode mode :
       {GradientMode::Overwrite, GradientMode::Accumulate, GradientMode::Ignore}) {
    for (const std::int64_t d : {1, 8, 21, 300}) {
      expect_agreement_in_both_precisions(
          {.b = 2, .l = 75, .d = d, .w = 3, .initial = true, .dfinal = true},
          {.strided = true, .mode = mode});
    }
  }
}

TEST(CausalConv1d, TapsDoNotReachOtherSequences) {
  for (const std::int64_t documents : {2, 9, 60}) {
    for (const std::int64_t w : {1, 4, 8}) {
      for (const std::int64_t l : {1, 3, 70, 200}) {
        expect_agreement_in_both_precisions({.b = 2,
                                             .l = l,
                                             .d = 9,
                                             .w = w,
                                             .initial = true,
                                             .dfinal = true,
                                             .documents = documents});
      }
    }
  }
}

}  // namespace
}  // namespace krait
