#include "kernels/s4d.h"

#include <gtest/gtest.h>

#include "tests/kernels/s4d_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace s4d_test;
using namespace testing;

/// Every output and gradient of the kernel against the plain loop in f64.
void expect_agreement(const Case& c, const Arrays& inputs, const Call& call = {}) {
  Arrays want;
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(::testing::Message() << c << " " << t);
    const Arrays in = as_stored(inputs, kActivations, t);
    if (want.empty() || t == DType::BF16) want = naive_s4d<double>(c, in);  // f64, f32: the same
    expect_close(kernel_s4d(t, c, in, call), want, call.mode, Allowed(t, kActivations));
  }
}

/// Of real and of complex A.
void expect_agreement(Case c, const Call& call = {}) {
  for (const bool complex : {false, true}) {
    c.complex = complex;
    expect_agreement(c, random_inputs(c), call);
  }
}

DEVICE_TEST(S4d, AgreesWithTheLoopAtOddSizes) {
  std::uint64_t seed = 1;
  for (const std::int64_t l : {1, 2, 7, 31, 33, 64, 65, 130}) {
    for (const std::int64_t n : {1, 4, 16, 17, 32, 100}) {
      for (const std::int64_t d : {1, 3, 8, 20, 33}) {
        expect_agreement(
            {.b = 2, .l = l, .d = d, .n = n, .initial = true, .dfinal = true, .seed = seed++});
      }
    }
  }
}

DEVICE_TEST(S4d, IsTheConvolutionWithItsKernel) {
  for (const bool complex : {false, true}) {
    for (const bool z : {false, true}) {
      const Case c{.b = 2, .l = 150, .d = 9, .n = 6, .complex = complex, .z = z};
      for (const DType t : test_dtypes()) {
        SCOPED_TRACE(::testing::Message() << c << " " << t);
        const Arrays in = as_stored(random_inputs(c), kActivations, t);
        EXPECT_LE(relative_error(kernel_s4d(t, c, in).at("y"), convolution(c, in)),
                  Allowed(t, kActivations).of("y"));
      }
    }
  }
}

DEVICE_TEST(S4d, EachOptionalPartMayBeAbsent) {
  for (int mask = 0; mask < 16; ++mask) {
    for (const bool chunk_states : {false, true}) {
      expect_agreement({.b = 2,
                        .l = 97,
                        .d = 12,
                        .n = 5,
                        .D = (mask & 1) != 0,
                        .z = (mask & 2) != 0,
                        .initial = (mask & 4) != 0,
                        .dfinal = (mask & 8) != 0,
                        .seed = static_cast<std::uint64_t>(mask)},
                       {.chunk_states = chunk_states});
    }
  }
}

DEVICE_TEST(S4d, ReadsAndWritesSlicesOfWiderBuffers) {
  for (const GradientMode mode :
       {GradientMode::Overwrite, GradientMode::Accumulate, GradientMode::Ignore}) {
    for (const Layout rows : {Layout::OddSlice, Layout::AlignedSlice}) {
      for (const std::int64_t d : {1, 8, 21, 64}) {
        for (const std::int64_t n : {6, 16, 32, 64}) {
          expect_agreement({.b = 2, .l = 70, .d = d, .n = n, .initial = true, .dfinal = true},
                           {.rows = rows, .mode = mode});
        }
      }
    }
  }
}

DEVICE_TEST(S4d, AddsToGradientsOrLeavesThemAlone) {
  for (const GradientMode mode : {GradientMode::Accumulate, GradientMode::Ignore}) {
    expect_agreement({.b = 3, .l = 50, .d = 40, .n = 9, .initial = true, .dfinal = true},
                     {.mode = mode});
  }
}

DEVICE_TEST(S4d, ManyTilesOfChannels) {
  expect_agreement({.b = 2, .l = 40, .d = 2000, .n = 3});
  expect_agreement({.b = 1, .l = 3, .d = 4097, .n = 16});
}

DEVICE_TEST(S4d, StateIsForgottenWhereTheSequenceIdChanges) {
  for (const std::int64_t documents : {2, 5, 40}) {
    for (const std::int64_t l : {2, 40, 130}) {
      expect_agreement({.b = 2,
                        .l = l,
                        .d = 5,
                        .n = 6,
                        .initial = true,
                        .dfinal = true,
                        .documents = documents});
    }
  }
}

DEVICE_TEST(S4d, StateIsForgottenAtTheBordersOfTiles) {
  for (const std::int64_t step : {8, 32, 64, 256}) {
    for (const std::int64_t shift : {-1, 0, 1}) {
      for (const bool complex : {false, true}) {
        const Case c{.b = 2,
                     .l = 2 * 256 + 5,
                     .d = 7,
                     .n = 4,
                     .complex = complex,
                     .initial = true,
                     .dfinal = true,
                     .documents = 2};  // cut below
        SCOPED_TRACE(::testing::Message() << "every " << step << ", shifted by " << shift);
        Arrays in = random_inputs(c);
        in["sequence_ids"].clear();
        for (std::int64_t i = 0; i < c.b * c.l; ++i) {
          in["sequence_ids"].push_back(static_cast<double>((i % c.l + step + shift) / step));
        }
        expect_agreement(c, in);
      }
    }
  }
}

DEVICE_TEST(S4d, LongSequencesOfFewChannels) {
  for (const std::int64_t documents : {1, 3, 300}) {
    for (const std::int64_t l : {2047, 2048, 2049, 5000, 9001}) {
      expect_agreement({.b = 2,
                        .l = l,
                        .d = 20,
                        .n = 3,
                        .initial = true,
                        .dfinal = true,
                        .documents = documents});
    }
  }
}

DEVICE_TEST(S4d, ALongSequenceNeedsNoSavedStates) {
  for (const std::int64_t l : {2049, 5000}) {
    for (const std::int64_t n : {16, 32}) {
      expect_agreement(
          {.l = l, .d = 20, .n = n, .initial = true, .dfinal = true, .documents = 3},
          {.rows = Layout::OddSlice, .mode = GradientMode::Accumulate, .chunk_states = false});
    }
  }
}

DEVICE_TEST(S4d, ModesMayBeSlowOrForgetAtOnce) {
  for (const bool complex : {false, true}) {
    const Case c{.b = 2, .l = 100, .d = 6, .n = 4, .complex = complex, .dt = 1};
    Arrays in = random_inputs(c);
    const std::vector<double> speeds = {1e-3, 0.01, 0.3, 0.7, 3, 30, 150};
    for (std::size_t i = 0; i < in["A_real"].size(); ++i) {
      in["A_real"][i] = static_cast<float>(-speeds[i % speeds.size()]);
    }
    expect_agreement(c, in);
  }
}

DEVICE_TEST(S4d, WithoutDecayTheStateIsARunningSum) {
  const Case c{.b = 2, .l = 200, .d = 5, .n = 3, .complex = false, .D = false, .z = false};
  Arrays in = random_inputs(c);
  for (double& x : in["A_real"]) x = 0;
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(t);
    const Arrays stored = as_stored(in, kActivations, t);
    std::vector<double> want(stored.at("u").size());
    for (std::int64_t b = 0; b < c.b; ++b) {
      for (std::int64_t channel = 0; channel < c.d; ++channel) {
        double gain = 0, sum = 0;
        for (std::int64_t n = 0; n < c.n; ++n) gain += in["C_real"][channel * c.n + n];
        for (std::int64_t i = 0; i < c.l; ++i) {
          const std::int64_t at = (b * c.l + i) * c.d + channel;
          sum += stored.at("u")[at];
          want[at] = in["dt"][channel] * gain * sum;
        }
      }
    }
    EXPECT_LE(relative_error(kernel_s4d(t, c, stored).at("y"), want),
              Allowed(t, kActivations).of("y"));
  }
}

}  // namespace
}  // namespace krait
