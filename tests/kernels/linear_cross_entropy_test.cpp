#include "kernels/linear_cross_entropy.h"

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

struct Case {
  std::int64_t rows, d, v;
  double label_smoothing = 0, z_loss = 0;
  std::int64_t chunk_rows = 0;
  std::string name(DType dtype) const {
    return str(dtype, " ", rows, " ", d, " ", v, " e ", label_smoothing, " z ", z_loss, " chunk ",
               chunk_rows);
  }
};

// The vocabularies at the end take one, several and no whole steps of a block of 512 threads with
// 16 logits each, and leave every remainder by the 4 logits of a vector.
const Case kCases[] = {
    {1, 1, 1},
    {7, 5, 11},
    {33, 8, 50, 0.1},
    {33, 8, 50, 0, 0.01},
    {20, 12, 37, 0.2, 0.05},
    {40, 6, 300},
    {50, 64, 129, 0.1, 0.01},
    {100, 3, 500, 0.1, 1e-3, 7},
    {64, 16, 100, 0, 0, 16},
    {6, 8, 8191},
    {4, 8, 8194, 0.1},
    {4, 8, 10241},
    {3, 8, 33000, 0.1, 1e-3},
};

/// Of `rows` random targets in [0, v), each fifth is not counted.
Tensor targets_of(std::int64_t rows, std::int64_t v) {
  std::vector<double> ids = values(random_ids({rows}, v, 3));
  for (std::size_t row = 2; row < ids.size(); row += 5) ids[row] = kIgnoreIndex;
  return tensor({rows}, DType::I32, ids);
}

LinearCrossEntropyForward forward_of(const Case& c, DType dtype) {
  const DType sum = accumulate_dtype(dtype);
  return {.x = random_tensor({c.rows, c.d}, dtype, 1),
          .weight = random_tensor({c.v, c.d}, dtype, 2),
          .targets = targets_of(c.rows, c.v),
          .label_smoothing = c.label_smoothing,
          .z_loss = c.z_loss,
          .losses = empty({c.rows}, sum),
          .logsumexp = empty({c.rows}, sum),
          .correct = empty({c.rows}, DType::U8),
          .chunk_rows = c.chunk_rows};
}

/// All results by the formula, with whole logits, in f64. dloss is the gradient of each loss. The
/// terms are the sums that make up dx and dweight, of absolute values.
struct Oracle {
  std::vector<double> losses, logsumexp, correct, dx, dweight, dx_terms, dweight_terms;
};

Oracle oracle(const LinearCrossEntropyForward& f, const std::vector<double>& dloss) {
  const auto rows = static_cast<std::size_t>(f.x.size(0)),
             d = static_cast<std::size_t>(f.x.size(1));
  const auto v = static_cast<std::size_t>(f.weight.size(0));
  const std::vector<double> x = values(f.x), w = values(f.weight), targets = values(f.targets);
  const double e = f.label_smoothing;
  Oracle o;
  o.dx.resize(x.size()), o.dx_terms.resize(x.size());
  o.dweight.resize(w.size()), o.dweight_terms.resize(w.size());
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
    const auto largest = std::max_element(s.begin(), s.end());
    o.correct.push_back(static_cast<std::size_t>(largest - s.begin()) == target ? 1 : 0);
    for (std::size_t j = 0; j < v; ++j) {
      const double ds = dloss[i] * (std::exp(s[j] - lse) * (1 + 2 * f.z_loss * lse) -
                                    (j == target ? 1 - e : 0) - e / static_cast<double>(v));
      for (std::size_t k = 0; k < d; ++k) {
        o.dx[i * d + k] += ds * w[j * d + k];
        o.dx_terms[i * d + k] += std::abs(ds * w[j * d + k]);
        o.dweight[j * d + k] += ds * x[i * d + k];
        o.dweight_terms[j * d + k] += std::abs(ds * x[i * d + k]);
      }
    }
  }
  return o;
}

// Logits of up to some tens are sums of d products; the gradients sum up to 300 terms of them. Of
// bf16 too, the logits and what is made of them are f32.
double tolerance_of(DType dtype) {
  return dtype == DType::F64 ? 1e-12 : 3e-5;
}

/// In bf16, the gradient of each logit is rounded before the product, and a bf16 sum after it.
void expect_gradient(const Tensor& got, const std::vector<double>& want,
                     const std::vector<double>& terms, DType dtype, const std::string& what) {
  if (dtype != DType::BF16) return expect_close(got, want, tolerance_of(dtype), what);
  const double rounding = rounding_of(DType::BF16);
  const std::vector<double> g = values(got);
  ASSERT_EQ(g.size(), want.size()) << what;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double size = std::max(1.0, std::abs(want[i]));
    double allowed = rounding * terms[i] + tolerance_of(dtype) * size;
    if (got.dtype() == DType::BF16) allowed += rounding * std::abs(want[i]) * (1 + rounding);
    ASSERT_LE(std::abs(g[i] - want[i]), allowed)
        << what << " at " << i << ": got " << g[i] << ", want " << want[i];
  }
}

/// Runs backward with dx and dweight (of dtype `dweight_dtype`) and compares both.
void check_backward(const Case& c, DType dtype, DType dweight_dtype, GradientMode mode) {
  const std::string name = c.name(dtype) + str(" dweight ", dweight_dtype);
  const LinearCrossEntropyForward f = forward_of(c, dtype);
  linear_cross_entropy_forward(f, {});
  const Tensor dlosses = random_tensor({c.rows}, accumulate_dtype(dtype), 4);
  const Tensor dx = random_tensor(f.x.shape(), dtype, 5);
  const Tensor dweight = random_tensor(f.weight.shape(), dweight_dtype, 6);
  Oracle o = oracle(f, values(dlosses));
  if (mode == GradientMode::Accumulate) {
    const std::vector<double> dx_before = values(dx), dweight_before = values(dweight);
    for (std::size_t i = 0; i < o.dx.size(); ++i) o.dx[i] += dx_before[i];
    for (std::size_t i = 0; i < o.dweight.size(); ++i) o.dweight[i] += dweight_before[i];
  }
  linear_cross_entropy_backward(
      {.forward = f, .dlosses = dlosses, .dx = {dx, mode}, .dweight = {dweight, mode}}, {});
  expect_gradient(dx, o.dx, o.dx_terms, dtype, name + " dx");
  expect_gradient(dweight, o.dweight, o.dweight_terms, dtype, name + " dweight");
}

DEVICE_TEST(LinearCrossEntropy, ForwardFollowsTheFormula) {
  for (const Case& c : kCases) {
    for (const DType dtype : test_dtypes()) {
      const LinearCrossEntropyForward f = forward_of(c, dtype);
      linear_cross_entropy_forward(f, {});
      const Oracle o = oracle(f, std::vector<double>(static_cast<std::size_t>(c.rows), 1.0));
      expect_close(f.losses, o.losses, tolerance_of(dtype), c.name(dtype));
      expect_close(f.logsumexp, o.logsumexp, tolerance_of(dtype), c.name(dtype));
      EXPECT_EQ(values(f.correct), o.correct) << c.name(dtype);
    }
  }
}

DEVICE_TEST(LinearCrossEntropy, BackwardFollowsTheFormula) {
  for (const Case& c : kCases) {
    for (const DType dtype : test_dtypes()) {
      for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
        check_backward(c, dtype, accumulate_dtype(dtype), mode);
        if (dtype == DType::BF16) check_backward(c, dtype, dtype, mode);
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

TEST(GpuLinearCrossEntropy, ChunksOfAnySizeGiveTheSameResults) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope scope(kGpu);
  // By default 128 rows of logits and 256 of gradients: 300 rows take three chunks and two.
  const std::int64_t rows = 300, v = 520001, d = 8;
  ASSERT_EQ(cuda::cross_entropy_chunks(v, DType::F32, 0).gradient_rows, 256);
  std::vector<std::vector<Tensor>> results;
  for (const std::int64_t chunk_rows : {0, 1000, 37}) {
    const LinearCrossEntropyForward f = forward_of({rows, d, v, 0.1, 1e-3, chunk_rows}, DType::F32);
    linear_cross_entropy_forward(f, {});
    const Tensor dx = empty(f.x.shape(), DType::F32), dweight = empty({v, d}, DType::F32);
    linear_cross_entropy_backward({.forward = f,
                                   .dlosses = random_tensor({rows}, DType::F32, 4),
                                   .dx = {dx, GradientMode::Overwrite},
                                   .dweight = {dweight, GradientMode::Overwrite}},
                                  {});
    results.push_back({f.losses, f.logsumexp, f.correct, dx, dweight});
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    expect_close(results[1][i], results[0][i], 3e-5, str("one chunk, result ", i));
    expect_close(results[2][i], results[0][i], 3e-5, str("chunks of 37, result ", i));
  }
}

TEST(LinearCrossEntropy, CudaChunksFillTheGpuAndNotItsMemory) {
  const auto chunks = cuda::cross_entropy_chunks(50280, DType::BF16, 0);
  EXPECT_EQ(chunks.logits_rows, 1280);
  EXPECT_EQ(chunks.gradient_rows, 5120);
  EXPECT_EQ(cuda::cross_entropy_chunks(50280, DType::F32, 0).gradient_rows, 2560);
  EXPECT_EQ(cuda::cross_entropy_chunks(50280, DType::BF16, 100).logits_rows, 100);
  for (const std::int64_t v : {1, 10, 256, 50257, 128256, 250000, 500000, 5000000}) {
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const auto c = cuda::cross_entropy_chunks(v, dtype, 0);
      EXPECT_GE(c.logits_rows, 128) << v;
      EXPECT_EQ(c.gradient_rows % c.logits_rows, 0) << v;
      if (v > 500000) continue;
      const std::int64_t padded = (v + 63) / 64 * 64, size = dtype == DType::F32 ? 4 : 2;
      EXPECT_LE(c.logits_rows * padded * 4, 256 << 20) << v;
      EXPECT_LE(c.gradient_rows * padded * size, 512 << 20) << v;
    }
  }
}

DEVICE_TEST(LinearCrossEntropy, TensorsMayBeginAnywhere) {
  for (const DType dtype : test_dtypes()) {
    LinearCrossEntropyForward f = forward_of({21, 5, 35, 0.1, 0.01}, dtype);
    f.x = f.x.slice(0, 1, 21), f.weight = f.weight.slice(0, 3, 35);
    f.targets = targets_of(23, 32).slice(0, 3, 23);
    const DType sum = accumulate_dtype(dtype);
    f.losses = empty({23}, sum).slice(0, 1, 21), f.logsumexp = empty({23}, sum).slice(0, 3, 23);
    f.correct = empty({23}, DType::U8).slice(0, 3, 23);
    linear_cross_entropy_forward(f, {});
    const Tensor dlosses = random_tensor({23}, sum, 4).slice(0, 1, 21);
    const Tensor dx = empty({21, 5}, dtype).slice(0, 1, 21);
    const Tensor dweight = empty({33, 5}, sum).slice(0, 1, 33);
    linear_cross_entropy_backward({.forward = f,
                                   .dlosses = dlosses,
                                   .dx = {dx, GradientMode::Overwrite},
                                   .dweight = {dweight, GradientMode::Overwrite}},
                                  {});
    const Oracle o = oracle(f, values(dlosses));
    expect_close(f.losses, o.losses, tolerance_of(dtype));
    EXPECT_EQ(values(f.correct), o.correct);
    expect_gradient(dx, o.dx, o.dx_terms, dtype, "dx");
    expect_gradient(dweight, o.dweight, o.dweight_terms, dtype, "dweight");
  }
}

DEVICE_TEST(LinearCrossEntropy, OneGradientCanBeLeftOut) {
  const DType dtype = test_dtypes()[0];
  const LinearCrossEntropyForward f = forward_of({9, 4, 13}, dtype);
  linear_cross_entropy_forward(f, {});
  const Tensor dlosses = random_tensor({9}, dtype, 4);
  const Oracle o = oracle(f, values(dlosses));
  const Tensor dx = random_tensor({9, 4}, dtype, 5), dw = random_tensor({13, 4}, dtype, 6);
  linear_cross_entropy_backward(
      {.forward = f, .dlosses = dlosses, .dx = {dx, GradientMode::Overwrite}, .dweight = {dw}}, {});
  expect_close(dx, o.dx, tolerance_of(dtype));
  EXPECT_TRUE(same_bits(dw, random_tensor({13, 4}, dtype, 6)));
  linear_cross_entropy_backward(
      {.forward = f, .dlosses = dlosses, .dweight = {dw, GradientMode::Overwrite}}, {});
  expect_close(dw, o.dweight, tolerance_of(dtype));
}

DEVICE_TEST(LinearCrossEntropy, LogitsOfAnySizeDoNotOverflow) {
  LinearCrossEntropyForward f = forward_of({1, 1, 3}, DType::F32);
  f.x = tensor({1, 1}, DType::F32, {1000});
  f.weight = tensor({3, 1}, DType::F32, {2, -3, 2});
  f.targets = tensor({1}, DType::I32, {0});
  linear_cross_entropy_forward(f, {});
  EXPECT_NEAR(f.logsumexp.item(), 2000 + std::log(2), 2e-4);  // half a unit of 2000 in f32
  EXPECT_NEAR(f.losses.item(), std::log(2), 1e-6);
}

DEVICE_TEST(LinearCrossEntropy, OnlyTheFirstOfEqualLogitsIsCorrect) {
  LinearCrossEntropyForward f = forward_of({3, 1, 3}, DType::F32);
  f.x = tensor({3, 1}, DType::F32, {1, 1, 1});
  f.weight = tensor({3, 1}, DType::F32, {-1, 2, 2});
  f.targets = tensor({3}, DType::I32, {0, 1, 2});
  linear_cross_entropy_forward(f, {});
  EXPECT_EQ(values(f.correct), (std::vector<double>{0, 1, 0}));
}

DEVICE_TEST(LinearCrossEntropy, EqualLogitsFarApartAreOrdered) {
  const std::int64_t v = 20003;
  LinearCrossEntropyForward f = forward_of({4, 1, v}, DType::F32);
  std::vector<double> weight(static_cast<std::size_t>(v), 0.5);
  weight[1000] = weight[17000] = weight[20002] = 2;
  f.x = tensor({4, 1}, DType::F32, {1, 1, 1, 1});
  f.weight = tensor({v, 1}, DType::F32, weight);
  f.targets = tensor({4}, DType::I32, {999, 1000, 17000, 20002});
  linear_cross_entropy_forward(f, {});
  EXPECT_EQ(values(f.correct), (std::vector<double>{0, 1, 0, 0}));
}

DEVICE_TEST(LinearCrossEntropy, NotANumberReachesTheLoss) {
  for (const std::int64_t v : {20, 9001}) {
    LinearCrossEntropyForward f = forward_of({4, 1, v}, DType::F32);
    std::vector<double> x = values(f.x);
    x[0] = std::nan("");
    f.x = tensor({4, 1}, DType::F32, x);
    linear_cross_entropy_forward(f, {});
    EXPECT_TRUE(std::isnan(values(f.losses)[0]));
    EXPECT_FALSE(std::isnan(values(f.losses)[1]));
    for (const std::int64_t place : {std::int64_t{0}, v - 1}) {  // in a vector, and after the last
      std::vector<double> weight = values(random_tensor({v, 1}, DType::F32, 2));
      weight[static_cast<std::size_t>(place)] = std::nan("");
      f.weight = tensor({v, 1}, DType::F32, weight);
      linear_cross_entropy_forward(f, {});
      EXPECT_TRUE(std::isnan(values(f.losses)[1])) << v << " " << place;
    }
  }
}

DEVICE_TEST(LinearCrossEntropy, NoRowsAreAllowed) {
  for (const DType dtype : test_dtypes()) {
    const DType sum = accumulate_dtype(dtype);
    const LinearCrossEntropyForward f = forward_of({0, 4, 13}, dtype);
    linear_cross_entropy_forward(f, {});
    const Tensor dweight = random_tensor({13, 4}, sum, 6);
    const auto backward = [&](GradientMode mode) {
      linear_cross_entropy_backward(
          {.forward = f, .dlosses = empty({0}, sum), .dweight = {dweight, mode}}, {});
    };
    backward(GradientMode::Accumulate);
    EXPECT_TRUE(same_bits(dweight, random_tensor({13, 4}, sum, 6)));
    backward(GradientMode::Overwrite);
    EXPECT_EQ(values(dweight), std::vector<double>(52, 0.0));
  }
}

DEVICE_TEST(LinearCrossEntropy, RowsThatDoNotCountHaveNoGradient) {
  for (const DType dtype : test_dtypes()) {
    const DType sum = accumulate_dtype(dtype);
    LinearCrossEntropyForward f = forward_of({6, 4, 135, 0.1, 0.01}, dtype);
    f.targets = tensor({6}, DType::I32, std::vector<double>(6, kIgnoreIndex));
    linear_cross_entropy_forward(f, {});
    EXPECT_EQ(values(f.losses), std::vector<double>(6, 0.0));
    const Tensor dx = random_tensor({6, 4}, dtype, 5), dweight = random_tensor({135, 4}, sum, 6);
    linear_cross_entropy_backward({.forward = f,
                                   .dlosses = random_tensor({6}, sum, 4),
                                   .dx = {dx, GradientMode::Overwrite},
                                   .dweight = {dweight, GradientMode::Overwrite}},
                                  {});
    EXPECT_EQ(values(dx), std::vector<double>(24, 0.0));
    EXPECT_EQ(values(dweight), std::vector<double>(540, 0.0));
  }
}

DEVICE_TEST(LinearCrossEntropy, BitsDoNotDependOnTheNumberOfThreads) {
  for (const DType dtype : test_dtypes()) {
    const LinearCrossEntropyForward f = forward_of({500, 40, 700, 0.1, 1e-3, 50}, dtype);
    const DType sum = accumulate_dtype(dtype);
    expect_thread_independent([&] {
      LinearCrossEntropyForward g = f;
      g.losses = empty({500}, sum), g.logsumexp = empty({500}, sum);
      linear_cross_entropy_forward(g, {});
      const Tensor dx = empty(f.x.shape(), dtype), dweight = empty(f.weight.shape(), sum);
      linear_cross_entropy_backward({.forward = g,
                                     .dlosses = random_tensor({500}, sum, 4),
                                     .dx = {dx, GradientMode::Overwrite},
                                     .dweight = {dweight, GradientMode::Overwrite}},
                                    {});
      return std::vector<Tensor>{g.losses, g.logsumexp, dx, dweight};
    });
  }
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

TEST(GpuLinearCrossEntropy, TargetsOutsideTheVocabularyGiveNotANumber) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope scope(kGpu);
  for (const DType dtype : test_dtypes()) {
    LinearCrossEntropyForward f = forward_of({5, 3, 20, 0.1}, dtype);
    f.targets = tensor({5}, DType::I32, {19, 20, 0, -1, kIgnoreIndex});
    linear_cross_entropy_forward(f, {});
    const Tensor dx = empty({5, 3}, dtype);
    linear_cross_entropy_backward({.forward = f,
                                   .dlosses = random_tensor({5}, DType::F32, 4),
                                   .dx = {dx, GradientMode::Overwrite}},
                                  {});
    for (std::size_t row = 0; row < 5; ++row) {
      const bool outside = row == 1 || row == 3;
      EXPECT_EQ(std::isnan(values(f.losses)[row]), outside) << row;
      EXPECT_EQ(std::isnan(values(dx)[3 * row]), outside) << row;
    }
    EXPECT_EQ(values(f.correct)[1] + values(f.correct)[3], 0);
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
  f = forward_of({4, 3, 20, 0, 0, -1}, DType::F32);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy_forward] chunk_rows must be >= 0, got -1.");
  f = forward_of({4, 3, 20}, DType::BF16);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy] dtype must be f32 or f64, got bf16.");
  f.losses = Tensor::zeros({4}, DType::BF16);
  expect_error([&] { linear_cross_entropy_forward(f, {}); },
               "[linear_cross_entropy_forward] losses must be f32, got bf16.");
}

}  // namespace
}  // namespace krait
