#include "kernels/norm.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

struct Case {
  NormKind kind;
  Shape shape;
  bool residual = false, bias = false;
  std::string name() const {
    return str(kind == NormKind::Rms ? "rms " : "layer ", shape, residual ? " residual" : "",
               bias ? " bias" : "");
  }
};

const Case kCases[] = {
    {NormKind::Rms, {2, 3, 17}},
    {NormKind::Rms, {5, 64}, true},
    {NormKind::Rms, {1, 1}, true, true},
    {NormKind::Rms, {301, 130}, true},
    {NormKind::Layer, {2, 3, 17}},
    {NormKind::Layer, {5, 64}, true, true},
    {NormKind::Layer, {300, 65}, false, true},
    {NormKind::Layer, {7}, true, true},
    {NormKind::Rms, {3, 20000}, false, true},
};

NormForward forward_of(const Case& c, DType dtype) {
  const std::int64_t d = c.shape[-1], rows = c.shape.rows();
  NormForward n{.kind = c.kind,
                .x = random_tensor(c.shape, dtype, 1, 2),
                .weight = random_tensor({d}, dtype, 2),
                .y = Tensor::empty(c.shape, dtype),
                .inverse_std = Tensor::empty({rows}, dtype)};
  if (c.bias) n.bias = random_tensor({d}, dtype, 3);
  if (c.residual) {
    n.residual = random_tensor(c.shape, dtype, 4);
    n.residual_out = Tensor::empty(c.shape, dtype);
  }
  if (c.kind == NormKind::Layer) n.mean = Tensor::empty({rows}, dtype);
  return n;
}

/// One row of numbers worked out from the formula in f64.
struct Row {
  std::vector<double> r, y;
  double mean = 0, inverse_std = 0;
};

Row expected_row(const NormForward& n, std::size_t row) {
  const auto d = static_cast<std::size_t>(n.x.size(-1));
  const std::vector<double> x = values(n.x), w = values(n.weight);
  Row out;
  for (std::size_t j = 0; j < d; ++j) {
    // rounded as it is stored: the rest follows from what the block passes on
    double r = x[row * d + j];
    if (n.residual.defined()) r += values(n.residual)[row * d + j];
    out.r.push_back(n.x.dtype() == DType::F32 ? static_cast<double>(static_cast<float>(r)) : r);
  }
  for (const double v : out.r)
    out.mean += n.kind == NormKind::Layer ? v / static_cast<double>(d) : 0;
  double square = 0;
  for (const double v : out.r) square += (v - out.mean) * (v - out.mean) / static_cast<double>(d);
  out.inverse_std = 1 / std::sqrt(square + n.eps);
  for (std::size_t j = 0; j < d; ++j) {
    const double bias = n.bias.defined() ? values(n.bias)[j] : 0;
    out.y.push_back((out.r[j] - out.mean) * out.inverse_std * w[j] + bias);
  }
  return out;
}

TEST(Norm, ForwardFollowsTheFormula) {
  for (const Case& c : kCases) {
    if (c.shape.numel() > 10000) continue;  // the oracle is slow
    for (const DType dtype : {DType::F32, DType::F64}) {
      const NormForward n = forward_of(c, dtype);
      norm_forward(n, {});
      // four roundings of numbers of a few units
      const double tolerance = dtype == DType::F32 ? 4 * 0x1p-23 : 1e-14;
      const auto d = static_cast<std::size_t>(c.shape[-1]);
      for (std::size_t row = 0; row < static_cast<std::size_t>(c.shape.rows()); ++row) {
        const Row want = expected_row(n, row);
        const std::vector<double> y = values(n.y);
        for (std::size_t j = 0; j < d; ++j) {
          ASSERT_NEAR(y[row * d + j], want.y[j], tolerance * (1 + std::abs(want.y[j])))
              << c.name() << " " << dtype;
          if (c.residual) {
            ASSERT_EQ(values(n.residual_out)[row * d + j], want.r[j]) << c.name();
          }
        }
        ASSERT_NEAR(values(n.inverse_std)[row], want.inverse_std, tolerance * want.inverse_std);
        if (n.mean.defined()) {
          ASSERT_NEAR(values(n.mean)[row], want.mean, tolerance);
        }
      }
    }
  }
}

NormBackward backward_of(const NormForward& n, const Case& c, GradientMode mode, bool extra) {
  const DType dtype = n.x.dtype();
  const Shape row{c.shape[-1]};
  return {.kind = c.kind,
          .r = c.residual ? n.residual_out : n.x,
          .weight = n.weight,
          .mean = n.mean,
          .inverse_std = n.inverse_std,
          .dy = random_tensor(c.shape, dtype, 11),
          .dresidual_out = extra ? random_tensor(c.shape, dtype, 12) : Tensor(),
          .dx = {random_tensor(c.shape, dtype, 13), mode},
          .dweight = {random_tensor(row, dtype, 14), mode},
          .dbias = {random_tensor(row, dtype, 15), mode}};
}

/// The gradients by the chain rule through y = n w + b, n = (r - mean) s, written without the
/// shortcuts of the kernel: dr_k = sum_j dy_j w_j dn_j/dr_k.
void expect_gradients(const NormBackward& b, const NormBackward& before, const std::string& what) {
  const auto d = static_cast<std::size_t>(b.r.size(-1));
  const auto rows = static_cast<std::size_t>(b.r.shape().rows());
  const double n = static_cast<double>(d);
  const bool add = b.dx.accumulates();
  const auto start = [&](const Gradient& g) {
    return add ? values(g.tensor) : std::vector<double>(static_cast<std::size_t>(g.tensor.numel()));
  };
  std::vector<double> dx = start(before.dx), dw = start(before.dweight), db = start(before.dbias);
  const std::vector<double> r = values(b.r), w = values(b.weight), dy = values(b.dy);
  const std::vector<double> s = values(b.inverse_std);
  for (std::size_t i = 0; i < rows; ++i) {
    const double mean = b.kind == NormKind::Layer ? values(b.mean)[i] : 0;
    for (std::size_t k = 0; k < d; ++k) {
      const double ck = r[i * d + k] - mean;
      double sum = 0;
      for (std::size_t j = 0; j < d; ++j) {
        const double centre = (j == k ? 1.0 : 0.0) - (b.kind == NormKind::Layer ? 1 / n : 0);
        const double cj = r[i * d + j] - mean;
        sum += dy[i * d + j] * w[j] * (centre * s[i] - cj * ck * s[i] * s[i] * s[i] / n);
      }
      dx[i * d + k] += sum + (b.dresidual_out.defined() ? values(b.dresidual_out)[i * d + k] : 0);
      dw[k] += dy[i * d + k] * ck * s[i];
      db[k] += dy[i * d + k];
    }
  }
  // Sums over rows and columns of up to some hundred terms of a few units each.
  const double tolerance = b.r.dtype() == DType::F32 ? 64 * 0x1p-23 : 1e-12;
  expect_close(b.dx.tensor, dx, tolerance, what + " dx");
  expect_close(b.dweight.tensor, dw, tolerance, what + " dweight");
  expect_close(b.dbias.tensor, db, tolerance, what + " dbias");
}

TEST(Norm, BackwardFollowsTheChainRule) {
  for (const Case& c : kCases) {
    if (c.shape.numel() > 500) continue;  // the oracle is slow
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const bool extra : {false, true}) {
        for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
          const NormForward n = forward_of(c, dtype);
          norm_forward(n, {});
          const NormBackward before = backward_of(n, c, mode, extra);
          const NormBackward b = backward_of(n, c, mode, extra);
          norm_backward(b, {});
          expect_gradients(b, before, str(c.name(), " ", dtype, extra ? " extra" : ""));
        }
      }
    }
  }
}

TEST(Norm, F32AgreesWithF64OnManyRowsAndLongRows) {
  for (const Case& c : kCases) {
    std::vector<Tensor> results[2];
    for (const DType dtype : {DType::F32, DType::F64}) {
      const NormForward n = forward_of(c, dtype);
      norm_forward(n, {});
      const NormBackward b = backward_of(n, c, GradientMode::Overwrite, true);
      norm_backward(b, {});
      results[dtype == DType::F64] = {n.y, b.dx.tensor, b.dweight.tensor, b.dbias.tensor};
    }
    for (std::size_t i = 0; i < 4; ++i) {
      // sums of 300 rows of magnitude 17 with a rounding each
      expect_close(results[0][i], results[1][i], 1e-5, str(c.name(), " result ", i));
    }
  }
}

TEST(Norm, IgnoredGradientsAreNotTouched) {
  const Case c{NormKind::Layer, {4, 9}, true, true};
  const NormForward n = forward_of(c, DType::F64);
  norm_forward(n, {});
  const NormBackward all = backward_of(n, c, GradientMode::Overwrite, false);
  norm_backward(all, {});
  for (int which = 0; which < 3; ++which) {
    NormBackward b = backward_of(n, c, GradientMode::Ignore, false);
    Gradient* gradients[] = {&b.dx, &b.dweight, &b.dbias};
    const Gradient* wanted[] = {&all.dx, &all.dweight, &all.dbias};
    const NormBackward before = backward_of(n, c, GradientMode::Ignore, false);
    const Gradient* untouched[] = {&before.dx, &before.dweight, &before.dbias};
    gradients[which]->mode = GradientMode::Overwrite;
    norm_backward(b, {});
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(same_bits(gradients[i]->tensor, (i == which ? wanted : untouched)[i]->tensor));
    }
  }
}

TEST(Norm, ALargeCommonOffsetDoesNotHideTheVariance) {
  // one pass over sums of squares would lose all digits: 1000^2 against a variance of 1
  const Tensor x = random_tensor({1, 256}, DType::F32, 1);
  for (float& v : x.span<float>()) v += 1000;
  const Tensor ones = tensor({256}, DType::F32, std::vector<double>(256, 1.0));
  const NormForward n{.kind = NormKind::Layer,
                      .x = x,
                      .weight = ones,
                      .y = Tensor::empty({1, 256}, DType::F32),
                      .mean = Tensor::empty({1}, DType::F32),
                      .inverse_std = Tensor::empty({1}, DType::F32)};
  norm_forward(n, {});
  const Row want = expected_row(n, 0);
  EXPECT_NEAR(n.inverse_std.item(), want.inverse_std, 1e-5);
  expect_close(n.y, want.y, 2e-4);  // the mean itself is rounded to 1000 * 2^-24
}

TEST(Norm, NoRowsAreAllowed) {
  const Case c{NormKind::Rms, {0, 5}, true};
  const NormForward n = forward_of(c, DType::F32);
  norm_forward(n, {});
  const NormBackward b = backward_of(n, c, GradientMode::Overwrite, false);
  norm_backward(b, {});
  EXPECT_EQ(values(b.dweight.tensor), std::vector<double>(5, 0.0));
}

TEST(Norm, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Case& c : {Case{NormKind::Rms, {900, 40}, true}, Case{NormKind::Layer, {300, 700}}}) {
    expect_thread_independent([&] {
      const NormForward n = forward_of(c, DType::F32);
      norm_forward(n, {});
      const NormBackward b = backward_of(n, c, GradientMode::Accumulate, true);
      norm_backward(b, {});
      return std::vector<Tensor>{n.y, n.inverse_std, b.dx.tensor, b.dweight.tensor, b.dbias.tensor};
    });
  }
}

TEST(Norm, RejectsWhatDoesNotFitAndSaysWhy) {
  const Case c{NormKind::Layer, {4, 9}, true, true};
  NormForward n = forward_of(c, DType::F32);
  n.weight = Tensor::zeros({8}, DType::F32);
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] weight must have shape (9), got (8).");
  n = forward_of(c, DType::F32);
  n.residual_out = {};
  expect_error([&] { norm_forward(n, {}); },
               "[norm_forward] residual and residual_out must be given together.");
  n = forward_of(c, DType::F32);
  n.mean = {};
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] mean must be given.");
  n = forward_of(c, DType::F32);
  NormBackward b = backward_of(n, c, GradientMode::Overwrite, false);
  b.dbias.tensor = Tensor::zeros({9}, DType::F64);
  expect_error([&] { norm_backward(b, {}); }, "[norm_backward] dbias must be f32, got f64.");
}

}  // namespace
}  // namespace krait
