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

/// Two halves, the second from the final state of the first, and their gradients.
template <class T>
void expect_same_in_halves(const Case& c, std::int64_t middle, const Tolerance& tolerance) {
  SCOPED_TRACE(::testing::Message() << c << " cut at " << middle);
  Arrays in = random_inputs(c);
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
  b["initial_state"] = kernel_conv<T>(first, a).at("final_state");
  const Arrays late = kernel_conv<T>(second, b);
  a["dfinal_state"] = late.at("dinitial_state");
  Arrays got = kernel_conv<T>(first, a);
  for (const char* name : {"y", "dx"}) {
    got[name].insert(got[name].end(), late.at(name).begin(), late.at(name).end());
  }
  for (const char* name : {"dweight", "dbias"}) {
    for (std::size_t i = 0; i < got[name].size(); ++i) got[name][i] += late.at(name)[i];
  }
  got["final_state"] = late.at("final_state");
  expect_close(got, kernel_conv<T>(c, in), GradientMode::Overwrite, tolerance);
}

TEST(CausalConv1d, HalvesWithCarriedStatesGiveTheWhole) {
  for (const std::int64_t w : {2, 4, 8}) {
    for (const std::int64_t middle : {1, 2, 5, 64, 129}) {
      const Case c{.l = 130, .d = 19, .w = w, .initial = true, .dfinal = true};
      expect_same_in_halves<double>(c, middle, kF64Tolerance);
      expect_same_in_halves<float>(c, middle, kF32Tolerance);
    }
  }
}

TEST(CausalConv1d, TheNumberOfThreadsDoesNotShow) {
  const int before = thread_count();
  const Case c{.b = 3, .l = 400, .d = 200, .initial = true, .dfinal = true, .documents = 3};
  const Arrays in = random_inputs(c);
  set_thread_count(1);
  const Arrays one = kernel_conv<float>(c, in);
  set_thread_count(3);
  EXPECT_EQ(kernel_conv<float>(c, in), one);
  set_thread_count(before);
}

TEST(CausalConv1d, ErrorIsAtMostTwiceThatOfTheLoop) {
  for (const std::int64_t l : {1, 2, 7, 33, 127, 1025, 2049}) {
    const Case c{.l = l, .d = 24, .initial = true, .dfinal = true};
    SCOPED_TRACE(::testing::Message() << c);
    const Arrays in = random_inputs(c), exact = naive_conv<double>(c, in);
    const Arrays loop = naive_conv<float>(c, in), got = kernel_conv<float>(c, in);
    for (const auto& [name, values] : exact) {
      // where the loop happens to be nearly exact: one unit of the largest element's last place
      const double allowed = std::max(2 * relative_error(loop.at(name), values), 0x1p-23);
      EXPECT_LE(relative_error(got.at(name), values), allowed) << name;
    }
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

}  // namespace
}  // namespace krait
