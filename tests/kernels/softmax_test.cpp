#include "kernels/softmax.h"

#include <limits>

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

const Shape kShapes[] = {{1}, {4, 1}, {3, 5, 17}, {2, 4001}, {600, 33}, {0, 3}};

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

TEST(Softmax, ForwardFollowsTheFormula) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const Shape& shape : kShapes) {
      for (const bool log : {false, true}) {
        const Tensor x = random_tensor(shape, dtype, 1, 4), y = Tensor::empty(shape, dtype);
        softmax_forward({.x = x, .y = y, .log = log}, {});
        // logarithms up to some tens with three roundings; probabilities inherit them
        expect_close(y, softmax(x, log), dtype == DType::F32 ? 4 * 0x1p-23 : 1e-14,
                     str(shape, dtype, log));
        softmax_forward({.x = x, .y = x, .log = log}, {});
        EXPECT_TRUE(same_bits(x, y)) << "in place";
      }
    }
  }
}

TEST(Softmax, BackwardFollowsTheFormula) {
  for (const DType dtype : {DType::F32, DType::F64}) {
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
          // sums of up to 4001 terms in f64, then a few roundings
          expect_close(dx, want, dtype == DType::F32 ? 8 * 0x1p-23 : 1e-13, str(shape, dtype, log));
        }
      }
    }
  }
}

TEST(Softmax, LargeInputsDoNotOverflow) {
  const Tensor x = tensor({2, 3}, DType::F32, {1e4, 1e4, -1e4, -3e38, -3e38, -3e38});
  const Tensor y = Tensor::empty({2, 3}, DType::F32);
  softmax_forward({.x = x, .y = y}, {});
  expect_close(y, {0.5, 0.5, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3}, 1e-7);
  softmax_forward({.x = x, .y = y, .log = true}, {});
  expect_close(
      y, {-std::log(2), -std::log(2), -2e4 - std::log(2), -std::log(3), -std::log(3), -std::log(3)},
      1e-7);
}

TEST(Softmax, MaskedEntriesHaveNoProbability) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = tensor({1, 3}, DType::F32, {0, -inf, 0}), y = Tensor::empty({1, 3}, DType::F32);
  softmax_forward({.x = x, .y = y}, {});
  expect_close(y, {0.5, 0, 0.5}, 1e-7);
  softmax_forward({.x = x, .y = y, .log = true}, {});
  expect_close(y, {-std::log(2), -inf, -std::log(2)}, 1e-7);
}

TEST(Softmax, NotANumberFillsItsRow) {
  const Tensor x = random_tensor({2, 40}, DType::F32, 1), y = Tensor::empty({2, 40}, DType::F32);
  write(x, 13, std::nan(""));
  for (const bool log : {false, true}) {
    softmax_forward({.x = x, .y = y, .log = log}, {});
    for (std::int64_t i = 0; i < 80; ++i) EXPECT_EQ(std::isnan(read(y, i)), i < 40);
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
