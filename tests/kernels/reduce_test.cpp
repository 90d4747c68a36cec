#include "kernels/reduce.h"

#include <limits>

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

/// For every element of y, the elements of x that are reduced into it, in row-major order.
std::vector<double> expected(const Reduce& r, const Tensor& before) {
  const Shape &x = r.x.shape(), &y = r.y.shape();
  std::vector<double> out(static_cast<std::size_t>(y.numel()),
                          r.op == ReduceOp::Sum ? 0 : -std::numeric_limits<double>::infinity());
  const std::vector<double> from = values(r.x);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::int64_t rest = static_cast<std::int64_t>(i), to = 0, stride = 1;
    for (int dim = 1; dim <= x.rank(); ++dim) {
      const std::int64_t index = rest % x[-dim];
      rest /= x[-dim];
      if (dim <= y.rank()) {
        if (y[-dim] > 1) to += index * stride;
        stride *= y[-dim];
      }
    }
    double& value = out[static_cast<std::size_t>(to)];
    value = r.op == ReduceOp::Sum ? value + from[i] : std::max(value, from[i]);
  }
  const std::vector<double> start = values(before);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = r.scale * out[i] + (r.accumulate ? start[i] : 0);
  }
  return out;
}

void check(const Tensor& x, const Shape& shape) {
  // Sums are f64; f32 results carry one rounding, relative to sums of up to some hundreds.
  const double tolerance = x.dtype() == DType::F32 ? 0x1p-23 : 1e-13;
  for (const bool accumulate : {false, true}) {
    const Tensor y = random_tensor(shape, x.dtype(), 7),
                 before = random_tensor(shape, x.dtype(), 7);
    const Reduce r{.x = x, .y = y, .scale = 0.5, .accumulate = accumulate};
    reduce(r, {});
    expect_close(y, expected(r, before), tolerance, str(x.shape(), " to ", shape));
  }
  if (x.numel() == 0) return;
  const Tensor y = Tensor::empty(shape, x.dtype());
  const Reduce r{.op = ReduceOp::Max, .x = x, .y = y};
  reduce(r, {});
  expect_close(y, expected(r, y), 0, str("max ", x.shape(), " to ", shape));
}

TEST(Reduce, EverySetOfDimensions) {
  const Shape x{2, 3, 4, 5};
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (int kept = 0; kept < 16; ++kept) {
      Shape y = x;
      for (int i = 0; i < 4; ++i) y[i] = (kept >> i & 1) != 0 ? x[i] : 1;
      check(random_tensor(x, dtype, 1), y);
    }
  }
}

TEST(Reduce, MissingLeadingDimensionsAreReduced) {
  const Tensor x = random_tensor({2, 3, 4}, DType::F32, 1);
  check(x, {});
  check(x, {4});
  check(x, {3, 1});
  check(x, {1});
  check(random_tensor({}, DType::F32, 1), {});
  check(random_tensor({1, 1}, DType::F32, 1), {1});
}

TEST(Reduce, TakesAnyStrides) {
  const Tensor x = random_tensor({6, 5, 40}, DType::F32, 1);
  check(x.transpose(0, 2), {40, 1, 1});
  check(x.transpose(0, 2), {5, 6});
  check(x.transpose(1, 2).slice(1, 3, 30), {27, 1});
  check(x.slice(1, 1, 2).expand({6, 7, 40}), {6, 1, 1});
  check(random_tensor({2, 3, 2, 3, 2, 3}, DType::F64, 1).transpose(0, 5), {3, 1, 3, 1, 2});
}

TEST(Reduce, LargeReductionsInEveryDirection) {
  check(random_tensor({70, 3001}, DType::F32, 1), {70, 1});
  check(random_tensor({3001, 70}, DType::F32, 1), {70});
  check(random_tensor({40, 5003}, DType::F32, 1), {5003});
  check(random_tensor({211111}, DType::F32, 1), {});
}

TEST(Reduce, AnEmptySumIsZeroAndAnEmptyMaximumAnError) {
  const Tensor x = Tensor::empty({0, 3}, DType::F32), y = random_tensor({3}, DType::F32, 1);
  reduce({.x = x, .y = y}, {});
  EXPECT_EQ(values(y), std::vector<double>(3, 0.0));
  expect_error([&] { reduce({.op = ReduceOp::Max, .x = x, .y = y}, {}); },
               "[reduce] the maximum of an empty set: x has shape (0, 3)");
  reduce({.x = x, .y = Tensor::empty({0, 1}, DType::F32)}, {});
}

TEST(Reduce, TenMillionF32ElementsLoseNoAccuracy) {
  // A running f32 sum of ones stops at 2^24 and is off by 10^-3 for thirds long before.
  constexpr std::int64_t kCount = 10'000'019;
  const Tensor x = Tensor::empty({kCount}, DType::F32), y = Tensor::empty({1}, DType::F32);
  std::fill_n(x.data<float>(), kCount, 1.0f / 3);
  reduce({.x = x, .y = y}, {});
  const double want = kCount * static_cast<double>(1.0f / 3);
  EXPECT_NEAR(y.item(), want, want * 0x1p-24);
  const Tensor columns = Tensor::empty({3}, DType::F32);
  reduce({.x = x.reshape({kCount, 1}).expand({kCount, 3}), .y = columns}, {});
  for (const double v : values(columns)) EXPECT_NEAR(v, want, want * 0x1p-24);
}

TEST(Reduce, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = random_tensor({611, 523}, DType::F32, 1);
  expect_thread_independent([&] {
    std::vector<Tensor> out;
    for (const Shape& shape : {Shape{}, Shape{523}, Shape{611, 1}}) {
      out.push_back(Tensor::empty(shape, DType::F32));
      reduce({.x = x, .y = out.back()}, {});
    }
    return out;
  });
}

TEST(Reduce, NotANumberReachesTheResult) {
  const Tensor x = random_tensor({40}, DType::F32, 1), y = Tensor::empty({1}, DType::F32);
  for (const std::int64_t place : {0, 17, 39}) {
    const Tensor with_nan = tensor({40}, DType::F32, values(x));
    write(with_nan, place, std::nan(""));
    for (const ReduceOp op : {ReduceOp::Sum, ReduceOp::Max}) {
      reduce({.op = op, .x = with_nan, .y = y}, {});
      EXPECT_TRUE(std::isnan(y.item())) << place;
      const Tensor columns = Tensor::empty({4, 1}, DType::F32);
      reduce({.op = op, .x = with_nan.reshape({10, 4}).transpose(0, 1), .y = columns}, {});
      EXPECT_TRUE(std::isnan(values(columns)[static_cast<std::size_t>(place % 4)])) << place;
    }
  }
}

TEST(Reduce, RejectsWhatDoesNotFitAndSaysWhy) {
  const auto make = [](const Shape& shape) { return Tensor::zeros(shape, DType::F32); };
  expect_error(
      [&] {
        reduce({.x = make({2, 3}), .y = make({2})}, {});
      },
      "[reduce] the shape of y must broadcast to that of x (2, 3), got (2).");
  expect_error(
      [&] {
        reduce({.x = make({3}), .y = make({3, 1})}, {});
      },
      "[reduce] the shape of y must broadcast");
  expect_error([&] { reduce({.x = make({3}), .y = Tensor::zeros({1}, DType::F64)}, {}); },
               "[reduce] y must be f32, got f64.");
  expect_error(
      [&] {
        reduce({.op = ReduceOp::Max, .x = make({3}), .y = make({1}), .accumulate = true}, {});
      },
      "[reduce] only Sum accumulates.");
}

TEST(L2Norm, IsTheRootOfTheSumOfSquares) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const std::int64_t n : {0, 1, 5, 1000, 200003}) {
      const Tensor x = random_tensor({n}, dtype, 1), norm = Tensor::empty({1}, dtype);
      double sum = 0;
      for (const double v : values(x)) sum += v * v;
      l2_norm({.x = x, .norm = norm}, {});
      expect_close(norm, {std::sqrt(sum)}, dtype == DType::F32 ? 0x1p-23 : 1e-13);
    }
  }
}

TEST(L2Norm, SquaresOutsideTheRangeOfF32AreFine) {
  const Tensor norm = Tensor::empty({1}, DType::F32);
  l2_norm({.x = tensor({2}, DType::F32, {3e30, 4e30}), .norm = norm}, {});
  EXPECT_FLOAT_EQ(static_cast<float>(norm.item()), 5e30f);
  l2_norm({.x = tensor({2}, DType::F32, {3e-30, 4e-30}), .norm = norm}, {});
  EXPECT_FLOAT_EQ(static_cast<float>(norm.item()), 5e-30f);
}

TEST(ClipScale, LimitsTheNorm) {
  const auto scale_of = [](double norm, double max_norm) {
    const Tensor scale = Tensor::empty({1}, DType::F64);
    clip_scale({.norm = tensor({1}, DType::F64, {norm}), .scale = scale, .max_norm = max_norm}, {});
    return scale.item();
  };
  EXPECT_DOUBLE_EQ(scale_of(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(scale_of(0.5, 1), 1);
  EXPECT_EQ(scale_of(1e9, 0), 1);
  EXPECT_EQ(scale_of(0, 1), 1);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(std::isnan(scale_of(bad, 1)));
    EXPECT_TRUE(std::isnan(scale_of(bad, 0)));
  }
  expect_error([&] { scale_of(1, -1); }, "[clip_scale] max_norm must be >= 0, got -1.");
}

}  // namespace
}  // namespace krait
