#include "kernels/elementwise.h"

#include <limits>

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A function with its derivative, in the C library's f64, and the range it is tested on.
struct Function {
  UnaryOp op;
  const char* name;
  double low, high;
  double (*value)(double);
  double (*slope)(double);
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}
double normal_density(double x) {
  return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
}
/// 1 - tanh^2, written so that it keeps its digits where tanh is close to 1.
double sech_squared(double x) {
  return 1 / (std::cosh(x) * std::cosh(x));
}

const Function kFunctions[] = {
    {UnaryOp::Neg, "neg", -50, 50, [](double x) { return -x; }, [](double) { return -1.0; }},
    {UnaryOp::Exp, "exp", -87, 88, [](double x) { return std::exp(x); },
     [](double x) { return std::exp(x); }},
    {UnaryOp::Log, "log", 1e-30, 9, [](double x) { return std::log(x); },
     [](double x) { return 1 / x; }},
    {UnaryOp::Sqrt, "sqrt", 1e-30, 9, [](double x) { return std::sqrt(x); },
     [](double x) { return 0.5 / std::sqrt(x); }},
    {UnaryOp::Square, "square", -9, 9, [](double x) { return x * x; },
     [](double x) { return 2 * x; }},
    {UnaryOp::Tanh, "tanh", -20, 20, [](double x) { return std::tanh(x); }, sech_squared},
    {UnaryOp::Sigmoid, "sigmoid", -80, 40, sigmoid,
     [](double x) { return sigmoid(x) * sigmoid(-x); }},
    {UnaryOp::Silu, "silu", -80, 40, [](double x) { return x * sigmoid(x); },
     [](double x) { return sigmoid(x) + x * sigmoid(x) * sigmoid(-x); }},
    {UnaryOp::Softplus, "softplus", -80, 40,
     [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); },
     [](double x) { return x > 20 ? 1.0 : sigmoid(x); }},
    {UnaryOp::Gelu, "gelu", -6, 8, [](double x) { return x * normal_cdf(x); },
     [](double x) { return normal_cdf(x) + x * normal_density(x); }},
    {UnaryOp::Relu, "relu", -5, 5, [](double x) { return x > 0 ? x : 0.0; },
     [](double x) { return x > 0 ? 1.0 : 0.0; }},
};

/// Points spread over [low, high], an odd number, so that vector loops have a rest.
Tensor points(const Function& f, DType dtype) {
  constexpr std::int64_t kCount = 40003;
  const Tensor x = Tensor::empty({kCount}, dtype);
  for (std::int64_t i = 0; i < kCount; ++i) {
    const double t = static_cast<double>(i) / (kCount - 1);
    write(x, i, static_cast<float>(f.low + (f.high - f.low) * t));
  }
  return x.to(test_device());
}

/// The largest relative error of rounding a result; bf16 has 8 bits.
double result_rounding(DType dtype) {
  return dtype == DType::BF16 ? 0x1p-8 : rounding_of(dtype);
}

/// `units` roundings of f64 or f32; for bf16 those of the f32 arithmetic and one of the result.
double tolerance_of(DType dtype, double units) {
  return dtype == DType::BF16 ? result_rounding(dtype) + units * rounding_of(DType::F32)
                              : units * rounding_of(dtype);
}

/// Relative error: f64 differs from the C library's by a few roundings; the f32 polynomials are
/// right to a few units in the last place (2^-23), which the slopes of silu and gelu lose where
/// their two terms cancel: there the error is measured against 1/8. bf16 adds one rounding.
void expect_relative(const Tensor& got, const Tensor& x, double (*want)(double), bool cancels,
                     const std::string& what) {
  const bool is_f64 = got.dtype() == DType::F64;
  const double tolerance = is_f64 ? 1e-12 : tolerance_of(got.dtype(), 16);
  const std::vector<double> points = values(x), results = values(got);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const double w = want(points[i]), g = results[i];
    const double smallest = is_f64 ? 0 : 0x1p-126;
    const double scale = std::max({std::abs(w), smallest, cancels ? 0.125 : 0.0});
    ASSERT_LE(std::abs(g - w), tolerance * scale)
        << what << " at " << points[i] << ": got " << g << ", want " << w;
  }
}

DEVICE_TEST(Unary, ForwardIsRightToAFewUnitsInTheLastPlace) {
  for (const Function& f : kFunctions) {
    for (const DType dtype : test_dtypes()) {
      const Tensor x = points(f, dtype), y = empty(x.shape(), dtype);
      unary_forward({.op = f.op, .x = x, .y = y}, {});
      const bool tail = f.op == UnaryOp::Gelu;  // relative error grows with x^2 in its lower tail
      expect_relative(y, x, f.value, tail, str(f.name, " ", dtype));
    }
  }
}

DEVICE_TEST(Unary, BackwardMultipliesByTheDerivative) {
  for (const Function& f : kFunctions) {
    for (const DType dtype : test_dtypes()) {
      const Tensor x = points(f, dtype), dx = empty(x.shape(), dtype);
      const Tensor ones = tensor(x.shape(), dtype, std::vector<double>(values(x).size(), 1.0));
      unary_backward({.op = f.op, .x = x, .dy = ones, .dx = {dx, GradientMode::Overwrite}}, {});
      const bool cancels = f.op == UnaryOp::Silu || f.op == UnaryOp::Gelu;
      expect_relative(dx, x, f.slope, cancels, str(f.name, "' ", dtype));
    }
  }
}

DEVICE_TEST(Unary, BackwardOverwritesAccumulatesOrIgnores) {
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t n : {33, 1029}) {
      const Tensor x = random_tensor({n}, dtype, 1), dy = random_tensor({n}, dtype, 2);
      const Tensor before = random_tensor({n}, dtype, 3), dx = random_tensor({n}, dtype, 3);
      unary_backward({.op = UnaryOp::Square, .x = x, .dy = dy}, {});
      unary_backward({.op = UnaryOp::Square, .x = x, .dy = dy, .dx = {dx, GradientMode::Ignore}},
                     {});
      EXPECT_TRUE(same_bits(dx, before));
      std::vector<double> want = values(before);
      const std::vector<double> from = values(x), slope = values(dy);
      for (std::size_t i = 0; i < want.size(); ++i) want[i] += 2 * from[i] * slope[i];
      unary_backward(
          {.op = UnaryOp::Square, .x = x, .dy = dy, .dx = {dx, GradientMode::Accumulate}}, {});
      // products may be some ten times as large as the sum that their rounding is measured against
      expect_close(dx, want, dtype == DType::F64 ? 1e-15 : tolerance_of(dtype, 32));
    }
  }
}

DEVICE_TEST(Unary, WorksInPlace) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({1100}, dtype, 1), y = empty({1100}, dtype);
    unary_forward({.op = UnaryOp::Silu, .x = x, .y = y}, {});
    unary_forward({.op = UnaryOp::Silu, .x = x, .y = x}, {});
    EXPECT_TRUE(same_bits(x, y));
  }
}

DEVICE_TEST(Unary, TensorsThatBeginAnywhere) {
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t n : {0, 1, 7, 32, 255, 1024, 1025, 4099}) {
      for (const std::int64_t begin : {0, 1, 8}) {
        const Tensor x = random_tensor({n + 17}, dtype, 1), y = zeros({n + 17}, dtype);
        const Tensor from = x.slice(0, begin, begin + n), to = y.slice(0, 8, 8 + n);
        unary_forward({.op = UnaryOp::Neg, .x = from, .y = to}, {});
        std::vector<double> want(17 + static_cast<std::size_t>(n), 0.0);
        const std::vector<double> v = values(from);
        for (std::size_t i = 0; i < v.size(); ++i) want[8 + i] = -v[i];
        EXPECT_EQ(values(y), want) << dtype << " " << n << " from " << begin;
        unary_backward({.op = UnaryOp::Neg,
                        .x = x.slice(0, 0, n),
                        .dy = from,
                        .dx = {to, GradientMode::Accumulate}},
                       {});
        for (double& w : want) w *= 2;
        EXPECT_EQ(values(y), want) << dtype << " backward " << n << " from " << begin;
      }
    }
  }
}

DEVICE_TEST(Unary, ExtremesKeepTheirMeaning) {
  struct Extreme {
    UnaryOp op;
    double x, y;
  };
  const double nan = std::nan("");
  const Extreme extremes[] = {{UnaryOp::Exp, 1000, kInfinity}, {UnaryOp::Exp, -1000, 0},
                              {UnaryOp::Exp, -kInfinity, 0},   {UnaryOp::Log, 0, -kInfinity},
                              {UnaryOp::Log, -1, nan},         {UnaryOp::Log, kInfinity, kInfinity},
                              {UnaryOp::Tanh, 1000, 1},        {UnaryOp::Tanh, -1000, -1},
                              {UnaryOp::Sigmoid, -1000, 0},    {UnaryOp::Sigmoid, 1000, 1},
                              {UnaryOp::Silu, -1e4, 0},        {UnaryOp::Softplus, -1e4, 0},
                              {UnaryOp::Softplus, 1e4, 1e4},   {UnaryOp::Softplus, 20.5, 20.5},
                              {UnaryOp::Gelu, -1e4, 0},        {UnaryOp::Gelu, 1e4, 1e4},
                              {UnaryOp::Sqrt, 0, 0},           {UnaryOp::Sqrt, -1, nan}};
  for (const DType dtype : test_dtypes()) {
    for (const Extreme& e : extremes) {
      const Tensor x = tensor({1}, dtype, {e.x}), y = empty({1}, dtype);
      unary_forward({.op = e.op, .x = x, .y = y}, {});
      expect_close(y, tensor({1}, dtype, {e.y}), 0,
                   str("op ", static_cast<int>(e.op), " of ", e.x, " in ", dtype));
    }
    for (const Function& f : kFunctions) {  // a diverged run must show, in the vector loop too
      const Tensor x = tensor({9}, dtype, std::vector<double>(9, nan)), y = empty({9}, dtype);
      unary_forward({.op = f.op, .x = x, .y = y}, {});
      for (const double v : values(y)) EXPECT_TRUE(std::isnan(v)) << f.name;
    }
  }
}

TEST(Unary, RejectsWhatDoesNotFitAndSaysWhy) {
  const Tensor x = Tensor::zeros({2, 3}, DType::F32);
  expect_error([&] { unary_forward({.op = UnaryOp::Exp, .x = x, .y = {}}, {}); },
               "[unary_forward] y must be given.");
  expect_error(
      [&] {
        unary_forward(
            {.op = UnaryOp::Exp, .x = x.transpose(0, 1), .y = Tensor::zeros({3, 2}, DType::F32)},
            {});
      },
      "[unary_forward] x must be");
  expect_error(
      [&] {
        unary_forward({.op = UnaryOp::Exp,
                       .x = Tensor::zeros({2}, DType::I32),
                       .y = Tensor::zeros({2}, DType::I32)},
                      {});
      },
      "[unary_forward] dtype must be f32 or f64, got i32.");
}

double apply(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::Add:
      return a + b;
    case BinaryOp::Sub:
      return a - b;
    case BinaryOp::Mul:
      return a * b;
    case BinaryOp::Div:
      return a / b;
  }
  return 0;
}

void check_binary(const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast_shape(a.shape(), b.shape(), "test");
  const std::vector<double> va = values(a.expand(shape)), vb = values(b.expand(shape));
  for (const BinaryOp op : {BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div}) {
    for (const bool accumulate : {false, true}) {
      const Tensor y = random_tensor(shape, a.dtype(), 9);
      std::vector<double> want = values(y);
      for (std::size_t i = 0; i < want.size(); ++i) {
        want[i] = (accumulate ? want[i] : 0) + apply(op, va[i], vb[i]);
      }
      binary_forward({.op = op, .a = a, .b = b, .y = y, .accumulate = accumulate}, {});
      // two roundings, of the operation and of the sum; a quotient may be much larger than the sum
      const double epsilon = result_rounding(a.dtype()) + rounding_of(accumulate_dtype(a.dtype()));
      std::vector<double> got = values(y);
      for (std::size_t i = 0; i < got.size(); ++i) {
        const double size = std::abs(want[i]) + std::abs(apply(op, va[i], vb[i]));
        ASSERT_LE(std::abs(got[i] - want[i]), epsilon * size) << a.shape() << b.shape() << i;
      }
    }
  }
}

DEVICE_TEST(Binary, BroadcastsLikeNumPy) {
  const std::pair<Shape, Shape> cases[] = {
      {{3, 37}, {3, 37}},
      {{3, 37}, {37}},
      {{37}, {3, 37}},
      {{3, 37}, {}},
      {{3, 37}, {1}},
      {{3, 37}, {3, 1}},
      {{3, 1}, {1, 37}},
      {{2, 1, 5}, {4, 1}},
      {{2, 3, 4, 5}, {3, 1, 5}},
      {{2, 1, 2, 1, 2, 3}, {2, 2, 1, 3, 2, 1}},
      {{40, 264}, {40, 264}},
      {{40, 264}, {264}},
      {{40, 1}, {40, 264}},
      {{3, 1, 1032}, {1, 7, 1032}},
      {{1030}, {3, 1030}},
      {{300, 2}, {2}},
      {{0, 4}, {4}},
      {{2, 1, 0}, {3, 1}},
      {{1}, {1}},
      {{}, {}},
  };
  for (const DType dtype : test_dtypes()) {
    for (const auto& [a, b] : cases) {
      check_binary(random_tensor(a, dtype, 1), random_tensor(b, dtype, 2));
    }
  }
}

DEVICE_TEST(Binary, TakesAnyStrides) {
  for (const DType dtype : test_dtypes()) {
    const Tensor a = random_tensor({5, 4, 9}, dtype, 1), b = random_tensor({9, 8}, dtype, 2);
    check_binary(a.transpose(1, 2), b.slice(1, 2, 6));
    check_binary(a.select(2, 3), random_tensor({4, 5}, dtype, 3).transpose(0, 1));
    check_binary(a.select(2, 3), random_tensor({1, 4}, dtype, 3).expand({5, 4}));
  }
}

DEVICE_TEST(Binary, RowsOfWiderBuffersWhateverTheirAlignment) {
  for (const DType dtype : test_dtypes()) {
    const Tensor a = random_tensor({21, 320}, dtype, 1), b = random_tensor({320}, dtype, 2);
    for (const std::int64_t width : {1, 8, 29, 300}) {
      for (const std::int64_t begin : {0, 1, 8}) {
        check_binary(a.slice(1, begin, begin + width), b.slice(0, begin, begin + width));
        check_binary(a.slice(1, begin, begin + width), a.slice(1, 8, 8 + width));
      }
    }
  }
}

DEVICE_TEST(Binary, LargeOperandsAreCutIntoPiecesWithoutGaps) {
  for (const DType dtype : test_dtypes()) {
    check_binary(random_tensor({401, 307}, dtype, 1), random_tensor({307}, dtype, 2));
    check_binary(random_tensor({401, 307}, dtype, 1), random_tensor({401, 1}, dtype, 2));
    check_binary(random_tensor({123457}, dtype, 1), random_tensor({}, dtype, 2));
  }
}

DEVICE_TEST(Binary, WorksInPlace) {
  for (const DType dtype : test_dtypes()) {
    const Tensor a = random_tensor({1070}, dtype, 1), b = random_tensor({1070}, dtype, 2);
    const Tensor y = empty({1070}, dtype);
    binary_forward({.op = BinaryOp::Sub, .a = a, .b = b, .y = y}, {});
    binary_forward({.op = BinaryOp::Sub, .a = a, .b = b, .y = b}, {});
    EXPECT_TRUE(same_bits(b, y));
  }
}

TEST(Binary, RejectsWhatDoesNotFitAndSaysWhy) {
  const auto make = [](const Shape& shape) { return Tensor::zeros(shape, DType::F32); };
  const auto add = [](const Tensor& a, const Tensor& b, const Tensor& y) {
    binary_forward({.op = BinaryOp::Add, .a = a, .b = b, .y = y}, {});
  };
  expect_error(
      [&] {
        add(make({2, 3}), make({2}), make({2, 3}));
      },
      "[binary_forward] shapes (2, 3) and (2) do not broadcast.");
  expect_error(
      [&] {
        add(make({2, 3}), make({3}), make({3, 2}));
      },
      "[binary_forward] y must have shape (2, 3), got (3, 2).");
  expect_error([&] { add(make({2}), Tensor::zeros({2}, DType::F64), make({2})); },
               "[binary_forward] b must be f32 on cpu like a, got f64 on cpu.");
}

}  // namespace
}  // namespace krait
