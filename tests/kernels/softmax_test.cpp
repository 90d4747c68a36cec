#include "kernels/softmax.h"

#include <limits>

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

// On a GPU rows go to parts of a warp, warps, blocks of 256 or of 1024, with vectors or without.
const Shape kShapes[] = {{1},     {4, 1},    {3, 5, 17}, {300, 24}, {5, 31},     {5, 32},
                         {7, 64}, {3, 1024}, {2, 4001},  {2, 8200}, {2, 33000},  {600, 33},
                         {0, 3},  {9, 520},  {300, 2},   {1, 4104}, {1, 100'003}};

/// |got - want| <= relative |want| + absolute for all elements.
void expect_within(const Tensor& got, const std::vector<double>& want, double relative,
                   double absolute, const std::string& what) {
  const std::vector<double> g = values(got);
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_LE(std::abs(g[i] - want[i]), relative * std::abs(want[i]) + absolute)
        << what << " at " << i << ": got " << g[i] << ", want " << want[i];
  }
}

/// Of a result that is right to `f32_error` in f32 and to `f64_error` in f64; bf16 has 8 bits.
double tolerance_of(DType dtype, double f32_error, double f64_error) {
  return dtype == DType::F64 ? f64_error : dtype == DType::F32 ? f32_error : 0x1p-8 + f32_error;
}

std::vector<double> softmax(const Tensor& x, bool log) {
  std::vector<double> y = values(x);
  const auto n = static_cast<std::size_t>(x.size(-1));
  for (std::size_t row = 0; row < y.size(); row += n) {
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t i = 0; i < n; ++i) max = std::max(max, y[row + i]);
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(y[row + i] - max);
    for (std::size_t i = 0; i < n; ++i) {
      const double l = y[row + i] - max - std::log(sum);
      y[row + i] = log ? l : std::exp(l);
    }
  }
  return y;
}

DEVICE_TEST(Softmax, ForwardFollowsTheFormula) {
  for (const DType dtype : test_dtypes()) {
    for (const Shape& shape : kShapes) {
      for (const bool log : {false, true}) {
        const Tensor x = random_tensor(shape, dtype, 1, 4), y = empty(shape, dtype);
        softmax_forward({.x = x, .y = y, .log = log}, {});
        // logarithms up to some tens with three roundings; probabilities inherit them
        const std::vector<double> want = softmax(x, log);
        expect_close(y, want, tolerance_of(dtype, 4 * 0x1p-23, 1e-14), str(shape, dtype, log));
        // small probabilities are right in their own digits, but for the rounding of x - max
        if (!log) expect_within(y, want, tolerance_of(dtype, 0x1p-18, 1e-13), 0, str(shape, dtype));
        softmax_forward({.x = x, .y = x, .log = log}, {});
        EXPECT_TRUE(same_bits(x, y)) << "in place";
      }
    }
  }
}

DEVICE_TEST(Softmax, BackwardFollowsTheFormula) {
  for (const DType dtype : test_dtypes()) {
    for (const Shape& shape : kShapes) {
      for (const bool log : {false, true}) {
        for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
          const Tensor y = tensor(shape, dtype, softmax(random_tensor(shape, dtype, 1, 2), log));
          const Tensor dy = random_tensor(shape, dtype, 2), dx = random_tensor(shape, dtype, 3);
          std::vector<double> want = values(dx);
          if (mode == GradientMode::Overwrite) std::fill(want.begin(), want.end(), 0);
          const std::vector<double> p = values(y), d = values(dy);
          const auto n = static_cast<std::size_t>(shape[-1]);
          for (std::size_t row = 0; row < want.size(); row += n) {
            double sum = 0;
            for (std::size_t i = 0; i < n; ++i) sum += log ? d[row + i] : p[row + i] * d[row + i];
            for (std::size_t i = 0; i < n; ++i) {
              want[row + i] +=
                  log ? d[row + i] - std::exp(p[row + i]) * sum : p[row + i] * (d[row + i] - sum);
            }
          }
          softmax_backward({.y = y, .dy = dy, .log = log, .dx = {dx, mode}}, {});
          // sums in f64, then a few roundings; that of bf16 is of the result's own size
          const double tolerance = dtype == DType::F64 ? 1e-13 : 8 * 0x1p-23;
          if (dtype == DType::BF16) {
            expect_within(dx, want, 0x1p-8 + tolerance, tolerance, str(shape, log));
          } else {
            expect_close(dx, want, tolerance, str(shape, dtype, log));
          }
        }
      }
    }
  }
}

DEVICE_TEST(Softmax, LargeInputsDoNotOverflow) {
  const Tensor x = tensor({2, 3}, DType::F32, {1e4, 1e4, -1e4, -3e38, -3e38, -3e38});
  const Tensor y = empty({2, 3}, DType::F32);
  softmax_forward({.x = x, .y = y}, {});
  expect_close(y, {0.5, 0.5, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3}, 1e-7);
  softmax_forward({.x = x, .y = y, .log = true}, {});
  expect_close(
      y, {-std::log(2), -std::log(2), -2e4 - std::log(2), -std::log(3), -std::log(3), -std::log(3)},
      1e-7);
}

DEVICE_TEST(Softmax, MaskedEntriesHaveNoProbability) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = tensor({1, 3}, DType::F32, {0, -inf, 0}), y = empty({1, 3}, DType::F32);
  softmax_forward({.x = x, .y = y}, {});
  expect_close(y, {0.5, 0, 0.5}, 1e-7);
  softmax_forward({.x = x, .y = y, .log = true}, {});
  expect_close(y, {-std::log(2), -inf, -std::log(2)}, 1e-7);
}

DEVICE_TEST(Softmax, LongRunsOfMaskedEntriesDoNotSpoilTheirRow) {
  // Whole threads, and the first elements of others, see nothing but masked entries.
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t n : {37, 300, 6000, 40000}) {
      std::vector<double> v = values(random_tensor({n}, dtype, 1));
      const auto masked = static_cast<std::ptrdiff_t>(n) * 3 / 4;
      std::fill_n(v.begin(), masked, -std::numeric_limits<double>::infinity());
      const Tensor x = tensor({1, n}, dtype, v), y = empty({1, n}, dtype);
      for (const bool log : {false, true}) {
        softmax_forward({.x = x, .y = y, .log = log}, {});
        expect_close(y, softmax(x, log), tolerance_of(dtype, 4 * 0x1p-23, 1e-14), str(dtype, n));
      }
    }
  }
}

DEVICE_TEST(Softmax, NotANumberFillsItsRow) {
  for (const DType dtype : test_dtypes()) {
    for (const std::int64_t n : {40, 5000}) {
      std::vector<double> v = values(random_tensor({2, n}, dtype, 1));
      v[13] = std::nan("");
      const Tensor x = tensor({2, n}, dtype, v), y = empty({2, n}, dtype);
      for (const bool log : {false, true}) {
        softmax_forward({.x = x, .y = y, .log = log}, {});
        const std::vector<double> got = values(y);
        for (std::size_t i = 0; i < got.size(); ++i) {
          EXPECT_EQ(std::isnan(got[i]), i < static_cast<std::size_t>(n));
        }
      }
    }
  }
}

DEVICE_TEST(Softmax, RowsThatBeginAnywhere) {
  for (const DType dtype : test_dtypes()) {
    const Tensor all = random_tensor({1 + 4 * 64}, dtype, 1);
    const Tensor x = all.slice(0, 1, 1 + 4 * 64).reshape({4, 64}), y = empty({4, 64}, dtype);
    softmax_forward({.x = x, .y = y}, {});
    expect_close(y, softmax(x, false), tolerance_of(dtype, 4 * 0x1p-23, 1e-14));
  }
}

TEST(Softmax, RejectsWhatDoesNotFitAndSaysWhy) {
  const Tensor x = Tensor::zeros({2, 0}, DType::F32);
  expect_error([&] { softmax_forward({.x = x, .y = x}, {}); },
               "[softmax_forward] x must have shape (..., n), n >= 1, got (2, 0).");
  expect_error(
      [&] {
        softmax_forward({.x = Tensor::zeros({2}, DType::F32), .y = Tensor::zeros({3}, DType::F32)},
                        {});
      },
      "[softmax_forward] y must have shape (2), got (3).");
}

}  // namespace
}  // namespace krait
