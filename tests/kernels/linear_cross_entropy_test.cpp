#include "kernels/linear_cross_entropy.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

struct Case {
  std::int64_t rows, d, v;
  double label_smoothing = 0, z_loss = 0;
  std::string name() const {
    return str(rows, " ", d, " ", v, " e ", label_smoothing, " z ", z_loss);
  }
};

const Case kCases[] = {
    {1, 1, 1},    {7, 5, 11}, {33, 8, 50, 0.1}, {33, 8, 50, 0, 0.01}, {20, 12, 37, 0.2, 0.05},
    {40, 6, 300},
};

LinearCrossEntropyForward forward_of(const Case& c, DType dtype) {
  const LinearCrossEntropyForward f{.x = random_tensor({c.rows, c.d}, dtype, 1),
                                    .weight = random_tensor({c.v, c.d}, dtype, 2),
                                    .targets = random_ids({c.rows}, c.v, 3),
                                    .label_smoothing = c.label_smoothing,
                                    .z_loss = c.z_loss,
                                    .losses = Tensor::empty({c.rows}, dtype),
                                    .logsumexp = Tensor::empty({c.rows}, dtype),
                                    .correct = Tensor::empty({c.rows}, DType::U8)};
  for (std::int64_t row = 2; row < c.rows; row += 5) write(f.targets, row, kIgnoreIndex);
  return f;
}

/// All results by the formula, with whole logits, in f64. dloss is the gradient of each loss.
struct Oracle {
  std::vector<double> losses, logsumexp, correct, dx, dweight;
};

Oracle oracle(const LinearCrossEntropyForward& f, const std::vector<double>& dloss) {
  const auto rows = static_cast<std::size_t>(f.x.size(0)),
             d = static_cast<std::size_t>(f.x.size(1));
  const auto v = static_cast<std::size_t>(f.weight.size(0));
  const std::vector<double> x = values(f.x), w = values(f.weight), targets = values(f.targets);
  const double e = f.label_smoothing;
  Oracle o{.dx = std::vector<double>(x.size()), .dweight = std::vector<double>(w.size())};
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> s(v);
    double sum = 0, mean = 0;
    for (std::size_t j = 0; j < v; ++j) {
      for (std::size_t k = 0; k < d; ++k) s[j] += x[i * d + k] * w[j * d + k];
      sum += std::exp(s[j]);
      mean += s[j] / static_cast<double>(v);
    }
    const double lse = std::log(sum);
    o.logsumexp.push_back(lse);
    if (targets[i] == kIgnoreIndex) {
      o.losses.push_back(0), o.correct.push_back(0);
      continue;
    }
    const auto target = static_cast<std::size_t>(targets[i]);
    o.losses.push_back((1 - e) * (lse - s[target]) + e * (lse - mean) + f.z_loss * lse * lse);
    o.correct.push_back(std::max_element(s.begin(), s.end()) == s.begin() + targets[i] ? 1 : 0);
    for (std::size_t j = 0; j < v; ++j) {
      const double ds = dloss[i] * (std::exp(s[j] - lse) * (1 + 2 * f.z_loss * lse) -
                                    (j == target ? 1 - e : 0) - e / static_cast<double>(v));
      for (std::size_t k = 0; k < d; ++k) {
        o.dx[i * d + k] += ds * w[j * d + k];
        o.dweight[j * d + k] += ds * x[i * d + k];
      }
    }
  }
  return o;
}

// Logits of up to some tens are sums of d products; the gradients sum up to 300 terms of them.
double tolerance_of(DType dtype) {
  return dtype == DType::F32 ? 3e-5 : 1e-12;
}

TEST(LinearCrossEntropy, ForwardFollowsTheFormula) {
  for (const Case& c : kCases) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      const LinearCrossEntropyForward f = forward_of(c, dtype);
      linear_cross_entropy_forward(f, {});
      const Oracle o = oracle(f, std::vector<double>(static_cast<std::size_t>(c.rows), 1.0));
      expect_close(f.losses, o.losses, tolerance_of(dtype), c.name());
      expect_close(f.logsumexp, o.logsumexp, tolerance_of(dtype), c.name());
      EXPECT_EQ(values(f.correct), o.correct) << c.name();
    }
  }
}

TEST(LinearCrossEntropy, BackwardFollowsTheFormula) {
  for (const Case& c : kCases) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
        const LinearCrossEntropyForward f = forward_of(c, dtype);
        linear_cross_entropy_forward(f, {});
        const Tensor dlosses = random_tensor({c.rows}, dtype, 4);
        const Tensor dx = random_tensor(f.x.shape(), dtype, 5);
        const Tensor dweight = random_tensor(f.weight.shape(), dtype, 6);
        Oracle o = oracle(f, values(dlosses));
        if (mode == GradientMode::Accumulate) {
          for (std::size_t i = 0; i < o.dx.size(); ++i) o.dx[i] += values(dx)[i];
          for (std::size_t i = 0; i < o.dweight.size(); ++i) o.dweight[i] += values(dweight)[i];
        }
        linear_cross_entropy_backward(
            {.forward = f, .dlosses = dlosses, .dx = {dx, mode}, .dweight = {dweight, mode}}, {});
        expect_close(dx, o.dx, tolerance_of(dtype), c.name() + " dx");
        expect_close(dweight, o.dweight, tolerance_of(dtype), c.name() + " dweight");
      }
    }
  }
}

TEST(LinearCrossEntropy, SeveralChunksGiveWhatOneGives) {
  // 16 MiB hold 44 rows of 50,000 f64 logits: these rows take three chunks
  const Case c{100, 3, 50000, 0.1, 1e-3};
  const LinearCrossEntropyForward f = forward_of(c, DType::F64);
  linear_cross_entropy_forward(f, {});
  const Tensor dlosses = random_tensor({c.rows}, DType::F64, 4);
  const Tensor dx = Tensor::empty(f.x.shape(), DType::F64);
  const Tensor dweight = Tensor::empty(f.weight.shape(), DType::F64);
  linear_cross_entropy_backward({.forward = f,
                                 .dlosses = dlosses,
                                 .dx = {dx, GradientMode::Overwrite},
                                 .dweight = {dweight, GradientMode::Overwrite}},
                                {});
  const Oracle o = oracle(f, values(dlosses));
  expect_close(f.losses, o.losses, 1e-12);
  expect_close(dx, o.dx, 1e-11);
  expect_close(dweight, o.dweight, 1e-11);
}

TEST(LinearCrossEntropy, OneGradientCanBeLeftOut) {
  const LinearCrossEntropyForward f = forward_of({9, 4, 13}, DType::F64);
  linear_cross_entropy_forward(f, {});
  const Tensor dlosses = random_tensor({9}, DType::F64, 4);
  const Oracle o = oracle(f, values(dlosses));
  const Tensor dx = random_tensor({9, 4}, DType::F64, 5),
               dw = random_tensor({13, 4}, DType::F64, 6);
  linear_cross_entropy_backward(
      {.forward = f, .dlosses = dlosses, .dx = {dx, GradientMode::Overwrite}, .dweight = {dw}}, {});
  expect_close(dx, o.dx, 1e-12);
  EXPECT_TRUE(same_bits(dw, random_tensor({13, 4}, DType::F64, 6)));
  linear_cross_entropy_backward(
      {.forward = f, .dlosses = dlosses, .dweight = {dw, GradientMode::Overwrite}}, {});
  expect_close(dw, o.dweight, 1e-12);
}

TEST(LinearCrossEntropy, LogitsOfAnySizeDoNotOverflow) {
  LinearCrossEntropyForward f = forward_of({1, 1, 3}, DType::F32);
  f.x = tensor({1, 1}, DType::F32, {1000});
  f.weight = tensor({3, 1}, DType::F32, {2, -3, 2});
  f.targets = tensor({1}, DType::I32, {0});
  linear_cross_entropy_forward(f, {});
  EXPECT_NEAR(f.logsumexp.item(), 2000 + std::log(2), 2e-4);  // half a unit of 2000 in f32
  EXPECT_NEAR(f.losses.item(), std::log(2), 1e-6);
}

TEST(LinearCrossEntropy, OnlyTheFirstOfEqualLogitsIsCorrect) {
  LinearCrossEntropyForward f = forward_of({3, 1, 3}, DType::F32);
  f.x = tensor({3, 1}, DType::F32, {1, 1, 1});
  f.weight = tensor({3, 1}, DType::F32, {-1, 2, 2});
  f.targets = tensor({3}, DType::I32, {0, 1, 2});
  linear_cross_entropy_forward(f, {});
  EXPECT_EQ(values(f.correct), (std::vector<double>{0, 1, 0}));
}

TEST(LinearCrossEntropy, NotANumberReachesTheLoss) {
  const LinearCrossEntropyForward f = forward_of({4, 3, 20}, DType::F32);
  write(f.x, 0, std::nan(""));
  linear_cross_entropy_forward(f, {});
  EXPECT_TRUE(std::isnan(read(f.losses, 0)));
  EXPECT_FALSE(std::isnan(read(f.losses, 1)));
}

TEST(LinearCrossEntropy, NoRowsAreAllowed) {
  const LinearCrossEntropyForward f = forward_of({0, 4, 13}, DType::F32);
  linear_cross_entropy_forward(f, {});
  const Tensor dweight = random_tensor({13, 4}, DType::F32, 6);
  linear_cross_entropy_backward({.forward = f,
                                 .dlosses = Tensor::empty({0}, DType::F32),
                                 .dweight = {dweight, GradientMode::Overwrite}},
                                {});
  EXPECT_EQ(values(dweight), std::vector<double>(52, 0.0));
}

TEST(LinearCrossEntropy, BitsDoNotDependOnTheNumberOfThreads) {
  const LinearCrossEntropyForward f = forward_of({500, 40, 700, 0.1, 1e-3}, DType::F32);
  expect_thread_independent([&] {
    LinearCrossEntropyForward g = f;
    g.losses = Tensor::empty({500}, DType::F32), g.logsumexp = Tensor::empty({500}, DType::F32);
    linear_cross_entropy_forward(g, {});
    const Tensor dx = Tensor::empty(f.x.shape(), DType::F32);
    const Tensor dweight = Tensor::empty(f.weight.shape(), DType::F32);
    linear_cross_entropy_backward({.forward = g,
                                   .dlosses = random_tensor({500}, DType::F32, 4),
                                   .dx = {dx, GradientMode::Overwrite},
                                   .dweight = {dweight, GradientMode::Overwrite}},
                                  {});
    return std::vector<Tensor>{g.losses, g.logsumexp, dx, dweight};
  });
}

TEST(LinearCrossEntropy, RejectsTargetsOutsideTheVocabularyAndSaysWhere) {
  const LinearCrossEntropyForward f = forward_of({4, 3, 20}, DType::F32);
  for (const std::int32_t bad : {20, -1}) {
    write(f.targets, 3, bad);
    const std::string message =
        str("[linear_cross_entropy] targets must be in [0, 20) or -100, got ", bad, " in row 3.");
    expect_error([&] { linear_cross_entropy_forward(f, {}); }, message, ErrorKind::BadData);
    const Tensor dx = Tensor::empty(f.x.shape(), DType::F32);
    expect_error(
        [&] {
          linear_cross_entropy_backward({.forward = f,
                                         .dlosses = Tensor::zeros({4}, DType::F32),
                                         .dx = {dx, GradientMode::Overwrite}},
                                        {});
        },
        message, ErrorKind::BadData);
  }
}

TEST(LinearCrossEntropy, RejectsWhatDoesNotFitAndSaysWhy) {
  LinearCrossEntropyForward f = forward_of({4, 3, 20}, DType::F32);
  f.weight = Tensor::zeros({20, 4}, DType::F32);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy_forward] weight must have shape (20, 3), got (20, 4).");
  f = forward_of({4, 3, 20, 1.0}, DType::F32);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy_forward] label_smoothing must be in [0, 1), got 1.");
  f = forward_of({4, 3, 20, 0, -1}, DType::F32);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy_forward] z_loss must be >= 0, got -1.");
}

}  // namespace
}  // namespace krait
