#include "kernels/causal_conv1d.h"

#include <gtest/gtest.h>

#include "core/system/parallel.h"
#include "tests/kernels/causal_conv1d_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace conv_test;
using namespace testing;

/// Every output and gradient of the kernel against the plain loop in f64.
void expect_agreement_in_all_precisions(const Case& c, const Call& call = {}) {
  Arrays want;
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(::testing::Message() << c << " " << t);
    const Arrays in = as_stored(random_inputs(c), kActivations, t);
    if (want.empty() || t == DType::BF16)
      want = naive_conv<double>(c, in);  // f64 and f32: the same
    expect_close(kernel_conv(t, c, in, call), want, call.mode, Allowed(t, kActivations));
  }
}

DEVICE_TEST(CausalConv1d, AgreesWithTheLoopAtOddSizes) {
  std::uint64_t seed = 1;
  for (std::int64_t w = 1; w <= 8; ++w) {
    for (const std::int64_t l : {1, 2, 3, 7, 63, 64, 65, 130}) {
      for (const std::int64_t d : {1, 3, 8, 20, 131}) {
        expect_agreement_in_all_precisions(
            {.b = 2, .l = l, .d = d, .w = w, .initial = true, .dfinal = true, .seed = seed++});
      }
    }
  }
}

DEVICE_TEST(CausalConv1d, EachOptionalPartMayBeAbsent) {
  for (int mask = 0; mask < 16; ++mask) {
    for (const std::int64_t l : {2, 70}) {
      expect_agreement_in_all_precisions({.b = 2,
                                          .l = l,
                                          .d = 21,
                                          .bias = (mask & 1) != 0,
                                          .silu = (mask & 2) != 0,
                                          .initial = (mask & 4) != 0,
                                          .dfinal = (mask & 8) != 0});
    }
  }
}

DEVICE_TEST(CausalConv1d, ReadsAndWritesSlicesOfWiderBuffers) {
  for (const GradientMode mode :
       {GradientMode::Overwrite, GradientMode::Accumulate, GradientMode::Ignore}) {
    for (const Layout rows : {Layout::OddSlice, Layout::AlignedSlice}) {
      for (const std::int64_t d : {1, 8, 21, 304}) {
        for (const std::int64_t w : {3, 4}) {
          expect_agreement_in_all_precisions(
              {.b = 2, .l = 75, .d = d, .w = w, .initial = true, .dfinal = true},
              {.rows = rows, .mode = mode});
        }
      }
    }
  }
}

DEVICE_TEST(CausalConv1d, TapsDoNotReachOtherSequences) {
  for (const std::int64_t documents : {2, 9, 60}) {
    for (const std::int64_t w : {1, 4, 8}) {
      for (const std::int64_t l : {1, 3, 70, 200}) {
        expect_agreement_in_all_precisions({.b = 2,
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

DEVICE_TEST(CausalConv1d, LongSequencesAndManyChannelsAreCutIntoPieces) {
  for (const bool parts : {false, true}) {  // with ids and both states, with neither
    const auto expect = [&](std::int64_t l, std::int64_t d, std::int64_t w) {
      expect_agreement_in_all_precisions({.b = 2,
                                          .l = l,
                                          .d = d,
                                          .w = w,
                                          .initial = parts,
                                          .dfinal = parts,
                                          .documents = parts ? 200 : 1});
    };
    expect(9001, 24, 4);
    expect(2047, 20, 4);
    expect(1000, 17, 5);
    expect(3, 4096, 4);
    expect(17, 2056, 4);
  }
}

/// Two halves, the second from the final state of the first, and their gradients.
void expect_same_in_halves(DType t, const Case& c, std::int64_t middle) {
  SCOPED_TRACE(::testing::Message() << c << " cut at " << middle << " " << t);
  const Arrays in = as_stored(random_inputs(c), kActivations, t);
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    Arrays out = in;
    for (const char* name : {"x", "dy"}) {
      const auto& v = in.at(name);
      out[name].assign(v.begin() + begin * c.d, v.begin() + end * c.d);
    }
    return out;
  };
  Case first = c, second = c;
  first.l = middle;
  second.l = c.l - middle;
  Arrays a = part(0, middle), b = part(middle, c.l);
  b["initial_state"] = kernel_conv(t, first, a).at("final_state");
  const Arrays late = kernel_conv(t, second, b);
  a["dfinal_state"] = late.at("dinitial_state");
  Arrays got = kernel_conv(t, first, a);
  for (const char* name : {"y", "dx"}) {
    got[name].insert(got[name].end(), late.at(name).begin(), late.at(name).end());
  }
  for (const char* name : {"dweight", "dbias"}) {
    for (std::size_t i = 0; i < got[name].size(); ++i) got[name][i] += late.at(name)[i];
  }
  got["final_state"] = late.at("final_state");
  // In bf16 both sides are rounded when they are stored, and so are the gradients that the halves
  // hand over; as these are parts of a sum, they may be twice as large as the largest sum.
  expect_close(got, kernel_conv(t, c, in), GradientMode::Overwrite, Allowed(t, kActivations, 4));
}

DEVICE_TEST(CausalConv1d, HalvesWithCarriedStatesGiveTheWhole) {
  for (const std::int64_t w : {2, 4, 8}) {
    for (const std::int64_t middle : {1, 2, 5, 64, 129}) {
      const Case c{.l = 130, .d = 19, .w = w, .initial = true, .dfinal = true};
      for (const DType t : test_dtypes()) expect_same_in_halves(t, c, middle);
    }
  }
}

DEVICE_TEST(CausalConv1d, ASequenceIsUntouchedByNonFiniteNeighbours) {
  const std::int64_t middle = 40;
  for (const std::int64_t d : {3, 16}) {
    const Case c{.l = 90, .d = d, .initial = true, .dfinal = true};
    Arrays in = random_inputs(c);
    for (std::int64_t t = 0; t < c.l; ++t) in["sequence_ids"].push_back(t < middle ? 3 : 9);
    const auto rows = [&](const Arrays& arrays, const char* name, std::int64_t begin,
                          std::int64_t end) {
      const auto& v = arrays.at(name);
      return std::vector<double>(v.begin() + begin * d, v.begin() + end * d);
    };
    const auto expect_same = [&](const char* spoiled, std::int64_t begin, std::int64_t end) {
      Arrays other = in;  // infinite outside [begin, end)
      for (std::int64_t i = 0; i < c.l * d; ++i) {
        const bool inside = i >= begin * d && i < end * d;
        if (!inside) other[spoiled][static_cast<std::size_t>(i)] = HUGE_VAL;
      }
      for (const DType t : test_dtypes()) {
        SCOPED_TRACE(::testing::Message() << d << " channels, " << spoiled << " " << t);
        const Arrays got = kernel_conv(t, c, other), want = kernel_conv(t, c, in);
        for (const char* name : {"y", "dx"}) {
          EXPECT_EQ(rows(got, name, begin, end), rows(want, name, begin, end)) << name;
        }
        const char* state = begin == 0 ? "dinitial_state" : "final_state";
        EXPECT_EQ(got.at(state), want.at(state)) << state;
      }
    };
    expect_same("x", middle, c.l);
    expect_same("x", 0, middle);
    expect_same("dy", middle, c.l);
    expect_same("dy", 0, middle);
  }
}

DEVICE_TEST(CausalConv1d, TheNumberOfThreadsDoesNotShow) {
  const int before = thread_count();
  for (const Case& c :
       {Case{.b = 3, .l = 400, .d = 200, .initial = true, .dfinal = true, .documents = 3},
        Case{.b = 1, .l = 3000, .d = 40}, Case{.b = 1, .l = 100, .d = 19, .w = 7}}) {
    const Arrays in = random_inputs(c);
    for (const DType t : test_dtypes()) {
      set_thread_count(1);
      const Arrays one = kernel_conv(t, c, in);
      set_thread_count(3);
      EXPECT_EQ(kernel_conv(t, c, in), one) << c << " " << t;
    }
  }
  set_thread_count(before);
}

void expect_error_of_the_loop(const Case& c, DType t) {
  SCOPED_TRACE(::testing::Message() << c << " " << t);
  const Arrays in = as_stored(random_inputs(c), kActivations, t);
  const Arrays exact = naive_conv<double>(c, in), got = kernel_conv(t, c, in);
  const Arrays loop = as_stored(naive_conv<float>(c, in), kActivations, t);
  for (const auto& [name, values] : exact) {
    // Where the loop happens to be nearly exact: one unit of the largest element's last place. What
    // is summed in f32 from bf16 has the error of the processor's own exponential in each term,
    // which over few positions is more than the loop's: measured at most 2.8e-7, here 3.6e-7.
    const bool summed = t == DType::BF16 && !kActivations.contains(name);
    const double least = (summed ? 3 : 1) * 0x1p-23;
    const double allowed = std::max(2 * relative_error(loop.at(name), values), least);
    EXPECT_LE(relative_error(got.at(name), values), allowed) << name;
  }
}

DEVICE_TEST(CausalConv1d, ErrorIsAtMostTwiceThatOfTheLoop) {
  for (const std::int64_t l : {1, 2, 7, 33, 127, 1025, 2049}) {
    const Case c{.l = l, .d = 24, .initial = true, .dfinal = true};
    expect_error_of_the_loop(c, DType::F32);
    if (on_gpu()) expect_error_of_the_loop(c, DType::BF16);
  }
}

TEST(CausalConv1d, RefusesWhatDoesNotFit) {
  const auto zeros = [](const Shape& s) { return Tensor::zeros(s, DType::F32); };
  const auto refused = [&](const auto& spoil, const std::string& message) {
    CausalConv1dForward f{.x = zeros({2, 5, 6}), .weight = zeros({6, 4}), .y = zeros({2, 5, 6})};
    EXPECT_NO_THROW(causal_conv1d_forward(f, {}));
    spoil(f);
    try {
      causal_conv1d_forward(f, {});
      ADD_FAILURE() << "not refused: " << message;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
    }
  };
  refused([&](auto& f) { f.x = zeros({5, 6}); }, "x must have shape (b, l, d), got (5, 6)");
  refused([&](auto& f) { f.x = zeros({2, 0, 6}); }, "x must have sizes >= 1");
  refused([&](auto& f) { f.x = Tensor::zeros({2, 5, 6}, DType::BF16); }, "f32 or f64, got bf16");
  refused([&](auto& f) { f.weight = zeros({6, 9}); }, "width of 1 to 8");
  refused([&](auto& f) { f.weight = zeros({5, 4}); }, "weight must have shape (6, 4), got (5, 4)");
  refused([&](auto& f) { f.bias = zeros({1}); }, "bias must have shape (6)");
  refused(
      [&](auto& f) {
        f.initial_state = zeros({2, 4, 6});
      },
      "initial_state must have shape (2, 3, 6)");
  refused(
      [&](auto& f) {
        f.final_state = zeros({2, 6, 3});
      },
      "final_state must have shape (2, 3, 6)");
  refused([&](auto& f) { f.sequence_ids = zeros({2, 5}); }, "sequence_ids must be i32, got f32");
  refused([&](auto& f) { f.x = zeros({2, 6, 5}).transpose(1, 2); }, "x must be dense");
  refused([&](auto& f) { f.y = Tensor(); }, "y must be given");
}

TEST(GpuCausalConv1d, ParametersAreF32BesideBf16) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope device_scope(kGpu);
  const DType bf16 = DType::BF16, f32 = DType::F32;
  const auto refused = [&](const auto& spoil, const std::string& message) {
    CausalConv1dForward f{.x = zeros({2, 5, 6}, bf16),
                          .weight = zeros({6, 4}, f32),
                          .bias = zeros({6}, f32),
                          .initial_state = zeros({2, 3, 6}, bf16),
                          .y = zeros({2, 5, 6}, bf16)};
    EXPECT_NO_THROW(causal_conv1d_forward(f, {}));
    spoil(f);
    expect_error([&] { causal_conv1d_forward(f, {}); }, message);
  };
  refused([&](auto& f) { f.weight = zeros({6, 4}, bf16); }, "weight must be f32, got bf16");
  refused([&](auto& f) { f.bias = zeros({6}, bf16); }, "bias must be f32, got bf16");
  refused(
      [&](auto& f) {
        f.initial_state = zeros({2, 3, 6}, f32);
      },
      "initial_state must be bf16, got f32");
  refused([&](auto& f) { f.y = zeros({2, 5, 6}, f32); }, "y must be bf16, got f32");
  refused([&](auto& f) { f.weight = Tensor::zeros({6, 4}, f32); }, "weight must be on cuda:0");
  refused([&](auto& f) { f.x = zeros({2, 5, 6}, DType::F64); }, "f32 or bf16, got f64 on cuda:0");
}

}  // namespace
}  // namespace krait
