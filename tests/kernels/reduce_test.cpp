#include "kernels/reduce.h"

#include <limits>

#include "kernels/copy.h"
#include "tests/support/tensors.h"

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
  // Sums are f64; f32 results carry one rounding, relative to sums of up to some hundreds. bf16
  // results carry theirs (8 bits), and small errors of the f32 sums of neighbours.
  const double tolerance = x.dtype() == DType::F32    ? 0x1p-23
                           : x.dtype() == DType::BF16 ? 0x1p-8 + 0x1p-14
                                                      : 1e-13;
  for (const bool accumulate : {false, true}) {
    const Tensor y = random_tensor(shape, x.dtype(), 7),
                 before = random_tensor(shape, x.dtype(), 7);
    const Reduce r{.x = x, .y = y, .scale = 0.5, .accumulate = accumulate};
    reduce(r, {});
    expect_close(y, expected(r, before), tolerance, str(x.shape(), " to ", shape));
  }
  if (x.numel() == 0) return;
  const Tensor y = empty(shape, x.dtype());
  const Reduce r{.op = ReduceOp::Max, .x = x, .y = y};
  reduce(r, {});
  expect_close(y, expected(r, y), 0, str("max ", x.shape(), " to ", shape));
}

DEVICE_TEST(Reduce, EverySetOfDimensions) {
  const Shape x{2, 3, 4, 5};
  for (const DType dtype : test_dtypes()) {
    for (int kept = 0; kept < 16; ++kept) {
      Shape y = x;
      for (int i = 0; i < 4; ++i) y[i] = (kept >> i & 1) != 0 ? x[i] : 1;
      check(random_tensor(x, dtype, 1), y);
    }
  }
}

DEVICE_TEST(Reduce, MissingLeadingDimensionsAreReduced) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({2, 3, 4}, dtype, 1);
    check(x, {});
    check(x, {4});
    check(x, {3, 1});
    check(x, {1});
    check(random_tensor({}, dtype, 1), {});
    check(random_tensor({1, 1}, dtype, 1), {1});
  }
}

DEVICE_TEST(Reduce, TakesAnyStrides) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({6, 5, 40}, dtype, 1);
    check(x.transpose(0, 2), {40, 1, 1});
    check(x.transpose(0, 2), {5, 6});
    check(x.transpose(1, 2).slice(1, 3, 30), {27, 1});
    check(x.slice(1, 1, 2).expand({6, 7, 40}), {6, 1, 1});
    check(random_tensor({2, 3, 2, 3, 2, 3}, dtype, 1).transpose(0, 5), {3, 1, 3, 1, 2});
  }
}

DEVICE_TEST(Reduce, SlicesOfWiderBuffersWhateverTheirAlignment) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({150, 328}, dtype, 1);
    for (const std::int64_t width : {1, 8, 31, 64, 320}) {
      for (const std::int64_t begin : {0, 1, 8}) {
        const Tensor part = x.slice(1, begin, begin + width);
        check(part, {width});
        check(part, {150, 1});
        check(part, {});
      }
    }
  }
}

DEVICE_TEST(Reduce, LargeReductionsInEveryDirection) {
  for (const DType dtype : test_dtypes()) {
    check(random_tensor({70, 3001}, dtype, 1), {70, 1});
    check(random_tensor({3001, 70}, dtype, 1), {70});
    check(random_tensor({40, 5003}, dtype, 1), {5003});
    check(random_tensor({211111}, dtype, 1), {});
    check(random_tensor({4100, 48}, dtype, 1), {4100, 1});  // a warp takes each
    check(random_tensor({3, 70000}, dtype, 1), {3, 1});     // some chunks each
    check(random_tensor({9000, 24}, dtype, 1), {24});
    check(random_tensor({9000, 3}, dtype, 1), {3});
    check(random_tensor({3, 3000, 40}, dtype, 1), {3, 1, 40});
    check(random_tensor({20, 7, 1600}, dtype, 1), {7, 1});  // the reduced do not merge
    check(random_tensor({30, 5, 20, 64}, dtype, 1), {5, 1, 64});
  }
}

DEVICE_TEST(Reduce, AnEmptySumIsZeroAndAnEmptyMaximumAnError) {
  const Tensor x = empty({0, 3}, DType::F32), y = random_tensor({3}, DType::F32, 1);
  reduce({.x = x, .y = y}, {});
  EXPECT_EQ(values(y), std::vector<double>(3, 0.0));
  const Tensor one = random_tensor({1}, DType::F32, 1);
  const std::vector<double> before = values(one);
  reduce({.x = x, .y = one, .accumulate = true}, {});
  EXPECT_EQ(values(one), before);
  expect_error([&] { reduce({.op = ReduceOp::Max, .x = x, .y = y}, {}); },
               "[reduce] the maximum of an empty set: x has shape (0, 3)");
  reduce({.x = x, .y = empty({0, 1}, DType::F32)}, {});
}

DEVICE_TEST(Reduce, TenMillionF32ElementsLoseNoAccuracy) {
  // A running f32 sum of ones stops at 2^24 and is off by 10^-3 for thirds long before.
  constexpr std::int64_t kCount = 10'000'019;
  const Tensor x = empty({kCount}, DType::F32), y = empty({1}, DType::F32);
  fill({.y = x, .value = 1.0f / 3}, {});
  reduce({.x = x, .y = y}, {});
  const double want = kCount * static_cast<double>(1.0f / 3);
  EXPECT_NEAR(y.item(), want, want * 0x1p-24);
  const Tensor columns = empty({3}, DType::F32);
  reduce({.x = x.reshape({kCount, 1}).expand({kCount, 3}), .y = columns}, {});
  for (const double v : values(columns)) EXPECT_NEAR(v, want, want * 0x1p-24);
}

DEVICE_TEST(Reduce, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = random_tensor({611, 523}, DType::F32, 1);
  expect_thread_independent([&] {
    std::vector<Tensor> out;
    for (const Shape& shape : {Shape{}, Shape{523}, Shape{611, 1}}) {
      out.push_back(empty(shape, DType::F32));
      reduce({.x = x, .y = out.back()}, {});
    }
    return out;
  });
}

/// x with one element replaced.
Tensor with(const Tensor& x, std::int64_t place, double value) {
  std::vector<double> v = values(x);
  v[static_cast<std::size_t>(place)] = value;
  return tensor(x.shape(), x.dtype(), v);
}

DEVICE_TEST(Reduce, NotANumberReachesTheResult) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({40}, dtype, 1), y = empty({1}, dtype);
    for (const std::int64_t place : {0, 17, 39}) {
      const Tensor with_nan = with(x, place, std::nan(""));
      for (const ReduceOp op : {ReduceOp::Sum, ReduceOp::Max}) {
        reduce({.op = op, .x = with_nan, .y = y}, {});
        EXPECT_TRUE(std::isnan(y.item())) << place;
        const Tensor columns = empty({4, 1}, dtype);
        reduce({.op = op, .x = with_nan.reshape({10, 4}).transpose(0, 1), .y = columns}, {});
        EXPECT_TRUE(std::isnan(values(columns)[static_cast<std::size_t>(place % 4)])) << place;
      }
    }
    const Tensor large = with(random_tensor({50003}, dtype, 1), 40000, std::nan(""));
    for (const ReduceOp op : {ReduceOp::Sum, ReduceOp::Max}) {
      reduce({.op = op, .x = large, .y = y}, {});
      EXPECT_TRUE(std::isnan(y.item()));
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

/// One rounding (bf16 has 8 bits) of a result that is exact to f64.
double one_rounding(DType dtype) {
  return dtype == DType::F64 ? 1e-13 : 1.001 * (dtype == DType::F32 ? 0x1p-24 : 0x1p-8);
}

DEVICE_TEST(L2Norm, IsTheRootOfTheSumOfSquares) {
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t n : {0, 1, 5, 257, 1000, 1023, 200003, 2300001}) {
      for (const std::int64_t begin : {0, 1}) {
        if (n > 200003 && begin != 0) continue;
        const Tensor x = random_tensor({n + begin}, dtype, 1).slice(0, begin, begin + n);
        const Tensor norm = empty({1}, dtype);
        long double sum = 0;
        for (const double v : values(x)) sum += static_cast<long double>(v) * v;
        l2_norm({.x = x, .norm = norm}, {});
        expect_close(norm, {static_cast<double>(std::sqrt(sum))}, one_rounding(dtype),
                     str(dtype, " ", n, " ", begin));
      }
    }
  }
}

DEVICE_TEST(L2Norm, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = random_tensor({300007}, DType::F32, 1);
  expect_thread_independent([&] {
    const Tensor norm = empty({1}, DType::F32);
    l2_norm({.x = x, .norm = norm}, {});
    return std::vector<Tensor>{norm};
  });
}

DEVICE_TEST(L2Norm, SquaresOutsideTheRangeOfF32AreFine) {
  for (const DType dtype : test_dtypes()) {
    const Tensor norm = empty({1}, dtype);
    for (const double size : {1e30, 1e-30}) {
      const Tensor x = tensor({2}, dtype, {3 * size, 4 * size});
      const double want = std::hypot(values(x)[0], values(x)[1]);
      l2_norm({.x = x, .norm = norm}, {});
      EXPECT_NEAR(norm.item(), want, want * one_rounding(dtype));
    }
  }
}

DEVICE_TEST(ClipScale, LimitsTheNorm) {
  for (const DType dtype : test_dtypes()) {
    const auto scale_of = [&](double norm, double max_norm) {
      const Tensor scale = empty({1}, dtype);
      clip_scale({.norm = tensor({1}, dtype, {norm}), .scale = scale, .max_norm = max_norm}, {});
      return scale.item();
    };
    const double want = 1 / (4 + 1e-6);
    if (dtype == DType::F64) {
      EXPECT_DOUBLE_EQ(scale_of(4, 1), want);
    } else {
      EXPECT_NEAR(scale_of(4, 1), want, want * one_rounding(dtype));
    }
    EXPECT_EQ(scale_of(0.5, 1), 1);
    EXPECT_EQ(scale_of(1e9, 0), 1);
    EXPECT_EQ(scale_of(0, 1), 1);
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
      EXPECT_TRUE(std::isnan(scale_of(bad, 1)));
      EXPECT_TRUE(std::isnan(scale_of(bad, 0)));
    }
    expect_error([&] { scale_of(1, -1); }, "[clip_scale] max_norm must be >= 0, got -1.");
  }
}

}  // namespace
}  // namespace krait
