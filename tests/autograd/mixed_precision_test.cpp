// Leaves in bf16 whose gradients are gathered in f32, and the dtypes of what operations make.
#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/operations/causal_conv1d.h"
#include "autograd/operations/elementwise.h"
#include "autograd/operations/linear.h"
#include "autograd/operations/linear_cross_entropy.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/selective_scan.h"
#include "autograd/operations/view.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using testing::expect_close;
using testing::values;

/// A bf16 leaf that adds its gradient to a zeroed f32 buffer.
Variable mixed_leaf(const Shape& shape, std::uint32_t stream) {
  const Variable leaf(testing::random_tensor(shape, DType::BF16, stream), true);
  leaf.bind(leaf.value(), testing::zeros(shape, DType::F32));
  return leaf;
}

DEVICE_TEST(MixedPrecision, ABoundF32GradientOfABf16LeafKeepsItsDigits) {
  const Variable x = mixed_leaf({3, 5}, 1);
  const Tensor factor = testing::random_tensor({3, 5}, DType::F32, 2);  // with 24 bits
  for (int pass = 1; pass <= 2; ++pass) {
    backward(sum(cast(x, DType::F32) * Variable(factor)));
    std::vector<double> want = values(factor);
    for (double& w : want) w *= pass;
    ASSERT_EQ(x.grad().dtype(), DType::F32);
    expect_close(x.grad(), want, 1e-7);  // one rounding of a sum in f32
  }
}

DEVICE_TEST(MixedPrecision, AnUnboundLeafHasAGradientOfItsOwnDtype) {
  const Variable x(testing::random_tensor({4}, DType::BF16, 4), true);
  backward(sum(cast(x, DType::F32)));
  EXPECT_EQ(x.grad().dtype(), DType::BF16);
  expect_close(x.grad(), std::vector<double>(4, 1.0), 0);
}

TEST(GpuMixedPrecision, TheWeightGradientOfLinearIsSummedInF32) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  constexpr std::int64_t kRows = 96, kIn = 40, kOut = 24;
  const Variable x = mixed_leaf({2, kRows / 2, kIn}, 5), w = mixed_leaf({kOut, kIn}, 6);
  const Tensor dy = testing::random_tensor({2, kRows / 2, kOut}, DType::BF16, 7);
  const auto xs = values(x.value()), ws = values(w.value()), d = values(dy);
  std::vector<double> dw(kOut * kIn), dx(kRows * kIn);
  const auto at = [](std::int64_t i, std::int64_t width, std::int64_t j) {
    return static_cast<std::size_t>(i * width + j);
  };
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t o = 0; o < kOut; ++o) {
      for (std::int64_t i = 0; i < kIn; ++i) {
        dw[at(o, kIn, i)] += 2 * d[at(r, kOut, o)] * xs[at(r, kIn, i)];  // of two passes
        dx[at(r, kIn, i)] += 2 * d[at(r, kOut, o)] * ws[at(o, kIn, i)];
      }
    }
  }
  for (int pass = 0; pass < 2; ++pass) {
    const Variable y = linear(x, w);
    EXPECT_EQ(y.dtype(), DType::BF16);
    backward(y, dy);
  }
  // Sums of 96 products near 1 in f32; with one rounding to bf16 the error would be 2^-9.
  expect_close(w.grad(), dw, 1e-5, "dw");
  expect_close(x.grad(), dx, 1e-5, "dx");
}

TEST(GpuMixedPrecision, ALeafUsedTwiceByOneOperationKeepsItsDigits) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  constexpr std::size_t n = 8;
  const Variable x = mixed_leaf({n, n}, 8);
  const Tensor dy = testing::random_tensor({n, n}, DType::BF16, 9);
  const auto xs = values(x.value()), d = values(dy);
  std::vector<double> dx(n * n);  // of y = x x^T: dy x + dy^T x
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < n; ++k) {
        dx[i * n + j] += (d[i * n + k] + d[k * n + i]) * xs[k * n + j];
      }
    }
  }
  backward(linear(x, x), dy);
  expect_close(x.grad(), dx, 1e-5);  // as above; through bf16 it would be 2^-9
}

TEST(GpuMixedPrecision, StatesAndLossesAreF32) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  const auto make = [](const Shape& s, DType t, std::uint32_t stream) {
    return Variable(testing::random_tensor(s, t, stream), true);
  };
  constexpr DType kBf16 = DType::BF16, kF32 = DType::F32;
  const Variable x = make({2, 6, 8}, kBf16, 10);
  const auto conv = causal_conv1d({.x = x,
                                   .weight = make({8, 4}, kF32, 11),
                                   .bias = make({8}, kF32, 12),
                                   .want_final_state = true});
  EXPECT_EQ(conv.y.dtype(), kBf16);
  EXPECT_EQ(conv.final_state.dtype(), kBf16);
  const auto scan = selective_scan({.u = conv.y,
                                    .delta = make({2, 6, 8}, kBf16, 13),
                                    .A = neg(exp(make({8, 4}, kF32, 14))),
                                    .B = make({2, 6, 1, 4}, kBf16, 15),
                                    .C = make({2, 6, 1, 4}, kBf16, 16),
                                    .D = make({8}, kF32, 17),
                                    .z = make({2, 6, 8}, kBf16, 18),
                                    .delta_bias = make({8}, kF32, 19),
                                    .want_final_state = true});
  EXPECT_EQ(scan.y.dtype(), kBf16);
  EXPECT_EQ(scan.final_state.dtype(), kF32);
  const Variable losses = linear_cross_entropy(reshape(scan.y, {12, 8}), mixed_leaf({16, 8}, 20),
                                               testing::random_ids({12}, 16, 21));
  EXPECT_EQ(losses.dtype(), kF32);
  backward(sum(losses));
  EXPECT_EQ(x.grad().dtype(), kBf16);
}

}  // namespace
}  // namespace krait
