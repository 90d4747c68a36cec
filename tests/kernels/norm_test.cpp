#include "kernels/norm.h"

#include "tests/support/tensors.h"

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
    {NormKind::Layer, {33, 4}, true, true},
    {NormKind::Rms, {3, 20000}, false, true},
};

/// Where the CUDA kernels change: 256, 1024 and 8192 columns forward, 256 to 2048 in steps of 256
/// and 8192 backward, with and without all lanes of a warp at work, and more rows than the blocks
/// of backward take at once.
const Case kWideCases[] = {
    {NormKind::Rms, {9, 256}, true},           {NormKind::Layer, {9, 260}, true, true},
    {NormKind::Layer, {17, 768}, true, true},  {NormKind::Rms, {5, 1024}},
    {NormKind::Layer, {5, 1028}, true, true},  {NormKind::Rms, {6, 1536}, true},
    {NormKind::Layer, {3, 2048}, true},        {NormKind::Layer, {4, 2052}, false, true},
    {NormKind::Rms, {4, 4100}, true},          {NormKind::Layer, {2, 8192}, true, true},
    {NormKind::Layer, {2, 8196}, true, true},  {NormKind::Rms, {3, 1023}, true},
    {NormKind::Layer, {3401, 36}, true, true}, {NormKind::Rms, {1101, 516}, true},
    {NormKind::Layer, {601, 1284}, true},      {NormKind::Layer, {301, 2564}, true},
    {NormKind::Rms, {9001, 3}, true},
};

/// Of the activations: x (and dx) and y (and dy).
struct DTypes {
  DType x, y;
  DType sum() const { return accumulate_dtype(x); }
};
std::vector<DTypes> dtypes() {
  std::vector<DTypes> all;
  for (const DType t : test_dtypes()) all.push_back({t, t});
  if (on_gpu()) {
    all.push_back({DType::F32, DType::BF16});  // the first block of a bf16 model
    all.push_back({DType::BF16, DType::F32});
  }
  return all;
}
std::string name_of(const Case& c, DTypes t) {
  return str(c.name(), " x ", t.x, " y ", t.y);
}

/// The largest relative error of rounding a result to a dtype that is narrower than the sums.
double narrowing(DType t) {
  return t == DType::BF16 ? 0x1p-8 : 0;
}

NormForward forward_of(const Case& c, DTypes t) {
  const std::int64_t d = c.shape[-1], rows = c.shape.rows();
  NormForward n{.kind = c.kind,
                .x = random_tensor(c.shape, t.x, 1, 2),
                .weight = random_tensor({d}, t.sum(), 2),
                .y = empty(c.shape, t.y),
                .inverse_std = empty({rows}, t.sum())};
  if (c.bias) n.bias = random_tensor({d}, t.sum(), 3);
  if (c.residual) {
    n.residual = random_tensor(c.shape, t.sum(), 4);
    n.residual_out = empty(c.shape, t.sum());
  }
  if (c.kind == NormKind::Layer) n.mean = empty({rows}, t.sum());
  return n;
}

std::vector<double> values_or_none(const Tensor& t) {
  return t.defined() ? values(t) : std::vector<double>();
}

/// The results worked out from the formula in f64.
struct Expected {
  std::vector<double> r, y, mean, inverse_std;
};

Expected expected(const NormForward& n) {
  const auto d = static_cast<std::size_t>(n.x.size(-1));
  const auto rows = static_cast<std::size_t>(n.x.shape().rows());
  const std::vector<double> x = values(n.x), w = values(n.weight), bias = values_or_none(n.bias);
  const std::vector<double> residual = values_or_none(n.residual);
  Expected out;
  for (std::size_t i = 0; i < rows; ++i) {
    double mean = 0, square = 0;
    for (std::size_t j = 0; j < d; ++j) {
      // rounded as it is stored: the rest follows from what the block passes on
      const double r = n.residual.defined() ? x[i * d + j] + residual[i * d + j] : x[i * d + j];
      const bool is_double = n.x.dtype() == DType::F64;
      out.r.push_back(is_double ? r : static_cast<double>(static_cast<float>(r)));
      if (n.kind == NormKind::Layer) mean += out.r.back() / static_cast<double>(d);
    }
    const double* r = out.r.data() + i * d;
    for (std::size_t j = 0; j < d; ++j) square += (r[j] - mean) * (r[j] - mean);
    const double scale = 1 / std::sqrt(square / static_cast<double>(d) + n.eps);
    for (std::size_t j = 0; j < d; ++j) {
      out.y.push_back((r[j] - mean) * scale * w[j] + (n.bias.defined() ? bias[j] : 0));
    }
    out.mean.push_back(mean), out.inverse_std.push_back(scale);
  }
  return out;
}

void expect_forward(const NormForward& n, const std::string& what) {
  const Expected want = expected(n);
  // four roundings of numbers of a few units, twice that where the sums are carried in f32 as well;
  // and the one to a narrower y
  const double tolerance = n.x.dtype() == DType::F64 ? 1e-14 : (on_gpu() ? 8 : 4) * 0x1p-23;
  const std::vector<double> y = values(n.y), scale = values(n.inverse_std);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double size = std::abs(want.y[i]);
    ASSERT_NEAR(y[i], want.y[i], tolerance * (1 + size) + narrowing(n.y.dtype()) * size)
        << what << " at " << i;
  }
  if (n.residual.defined()) {
    ASSERT_EQ(values(n.residual_out), want.r) << what;
  }
  for (std::size_t i = 0; i < scale.size(); ++i) {
    ASSERT_NEAR(scale[i], want.inverse_std[i], tolerance * want.inverse_std[i]) << what;
  }
  if (n.mean.defined()) {
    const std::vector<double> mean = values(n.mean);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      ASSERT_NEAR(mean[i], want.mean[i], tolerance) << what;
    }
  }
}

DEVICE_TEST(Norm, ForwardFollowsTheFormula) {
  for (const DTypes t : dtypes()) {
    const auto check = [&](const Case& c) {
      const NormForward n = forward_of(c, t);
      norm_forward(n, {});
      expect_forward(n, name_of(c, t));
    };
    for (const Case& c : kCases) {
      if (c.shape.numel() <= 50000) check(c);  // in f32 sums of 20000 numbers need more room
    }
    for (const Case& c : kWideCases) check(c);
  }
}

NormBackward backward_of(const NormForward& n, const Case& c, GradientMode mode, bool extra) {
  const DType sum = accumulate_dtype(n.x.dtype());
  const Shape row{c.shape[-1]};
  return {.kind = c.kind,
          .r = c.residual ? n.residual_out : n.x,
          .weight = n.weight,
          .mean = n.mean,
          .inverse_std = n.inverse_std,
          .dy = random_tensor(c.shape, n.y.dtype(), 11),
          .dresidual_out = extra ? random_tensor(c.shape, sum, 12) : Tensor(),
          .dx = {random_tensor(c.shape, n.x.dtype(), 13), mode},
          .dresidual = {random_tensor(c.shape, sum, 16), mode},
          .dweight = {random_tensor(row, sum, 14), mode},
          .dbias = {random_tensor(row, sum, 15), mode}};
}

std::vector<double> sum_of(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// The gradients by the chain rule through y = n w + b, n = (r - mean) s, written without the
/// shortcuts of the kernel: dr_k = sum_j dy_j w_j dn_j/dr_k.
void expect_gradients(const NormBackward& b, const NormBackward& before, const std::string& what) {
  const auto d = static_cast<std::size_t>(b.r.size(-1));
  const auto rows = static_cast<std::size_t>(b.r.shape().rows());
  const double n = static_cast<double>(d);
  const bool add = b.dx.accumulates(), layer = b.kind == NormKind::Layer;
  const auto start = [&](const Gradient& g) {
    return add ? values(g.tensor) : std::vector<double>(static_cast<std::size_t>(g.tensor.numel()));
  };
  std::vector<double> dr(rows * d), dw = start(before.dweight), db = start(before.dbias);
  const std::vector<double> r = values(b.r), w = values(b.weight), dy = values(b.dy);
  const std::vector<double> s = values(b.inverse_std), means = values_or_none(b.mean);
  const std::vector<double> extra = values_or_none(b.dresidual_out);
  for (std::size_t i = 0; i < rows; ++i) {
    const double mean = layer ? means[i] : 0;
    for (std::size_t k = 0; k < d; ++k) {
      const double ck = r[i * d + k] - mean;
      double sum = 0;
      for (std::size_t j = 0; j < d; ++j) {
        const double centre = (j == k ? 1.0 : 0.0) - (layer ? 1 / n : 0);
        const double cj = r[i * d + j] - mean;
        sum += dy[i * d + j] * w[j] * (centre * s[i] - cj * ck * s[i] * s[i] * s[i] / n);
      }
      dr[i * d + k] = sum + (b.dresidual_out.defined() ? extra[i * d + k] : 0);
      dw[k] += dy[i * d + k] * ck * s[i];
      db[k] += dy[i * d + k];
    }
  }
  // Sums over rows and columns of up to some hundred terms of a few units each.
  const double tolerance = b.r.dtype() == DType::F64 ? 1e-12 : 64 * 0x1p-23;
  expect_close(b.dx.tensor, sum_of(start(before.dx), dr),
               tolerance + narrowing(b.dx.tensor.dtype()), what + " dx");
  expect_close(b.dresidual.tensor, sum_of(start(before.dresidual), dr), tolerance,
               what + " dresidual");
  expect_close(b.dweight.tensor, dw, tolerance, what + " dweight");
  expect_close(b.dbias.tensor, db, tolerance, what + " dbias");
}

DEVICE_TEST(Norm, BackwardFollowsTheChainRule) {
  for (const Case& c : kCases) {
    if (c.shape.numel() > 500) continue;  // the oracle is slow
    for (const DTypes t : dtypes()) {
      for (const bool extra : {false, true}) {
        for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
          const NormForward n = forward_of(c, t);
          norm_forward(n, {});
          const NormBackward before = backward_of(n, c, mode, extra);
          const NormBackward b = backward_of(n, c, mode, extra);
          norm_backward(b, {});
          expect_gradients(b, before, name_of(c, t) + (extra ? " extra" : ""));
        }
      }
    }
  }
}

/// The same numbers in f64 on the CPU.
Tensor exact(const Tensor& t) {
  if (!t.defined()) return t;
  const Tensor out = Tensor::empty(t.shape(), DType::F64);
  const std::vector<double> from = values(t);
  std::copy(from.begin(), from.end(), out.data<double>());
  return out;
}
Gradient exact(const Gradient& g) {
  return {exact(g.tensor), g.mode};
}
NormBackward exact(const NormBackward& b) {
  return {.kind = b.kind,
          .r = exact(b.r),
          .weight = exact(b.weight),
          .mean = exact(b.mean),
          .inverse_std = exact(b.inverse_std),
          .dy = exact(b.dy),
          .dresidual_out = exact(b.dresidual_out),
          .dx = exact(b.dx),
          .dresidual = exact(b.dresidual),
          .dweight = exact(b.dweight),
          .dbias = exact(b.dbias)};
}

void expect_equals_f64(const NormBackward& b, const std::string& what) {
  const NormBackward want = exact(b);
  norm_backward(b, {});
  norm_backward(want, {});
  const double tolerance = b.r.dtype() == DType::F64 ? 1e-12 : 1e-5;
  // A rounding of each of the partial sums over rows, which grow like a random walk.
  const double walk = std::max(1.0, std::sqrt(static_cast<double>(b.r.shape().rows()) / 300));
  expect_close(b.dx.tensor, want.dx.tensor, tolerance + narrowing(b.dx.tensor.dtype()),
               what + " dx");
  expect_close(b.dresidual.tensor, want.dresidual.tensor, tolerance, what + " dresidual");
  expect_close(b.dweight.tensor, want.dweight.tensor, tolerance * walk, what + " dweight");
  expect_close(b.dbias.tensor, want.dbias.tensor, tolerance * walk, what + " dbias");
}

DEVICE_TEST(Norm, ManyRowsAndLongRowsAgreeWithF64) {
  for (const DTypes t : dtypes()) {
    const auto check = [&](const Case& c, GradientMode mode) {
      const NormForward n = forward_of(c, t);
      norm_forward(n, {});
      expect_equals_f64(backward_of(n, c, mode, true), name_of(c, t));
    };
    for (const Case& c : kCases) check(c, GradientMode::Overwrite);
    for (const Case& c : kWideCases) check(c, GradientMode::Accumulate);
  }
}

DEVICE_TEST(Norm, F32AgreesWithF64OnManyRowsAndLongRows) {
  for (const Case& c : kCases) {
    const NormForward n = forward_of(c, {DType::F32, DType::F32});
    norm_forward(n, {});
    NormForward want{.kind = c.kind,
                     .x = exact(n.x),
                     .residual = exact(n.residual),
                     .weight = exact(n.weight),
                     .bias = exact(n.bias),
                     .y = Tensor::empty(c.shape, DType::F64),
                     .residual_out = exact(n.residual_out),
                     .mean = exact(n.mean),
                     .inverse_std = exact(n.inverse_std)};
    norm_forward(want, {});
    expect_close(n.y, want.y, 1e-5, c.name());  // sums of up to 20000 terms
  }
}

DEVICE_TEST(Norm, NarrowResultsAreTheWideOnesRounded) {
  if (!on_gpu()) return;  // bf16 is computed there only
  const auto rounded = [](const Tensor& t) {
    std::vector<double> v = values(t);
    for (double& x : v) {
      x = static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(x))));
    }
    return v;
  };
  for (const Case& c :
       {Case{NormKind::Layer, {37, 768}, true, true}, Case{NormKind::Rms, {37, 130}, true}}) {
    const NormForward wide = forward_of(c, {DType::BF16, DType::F32});
    const NormForward narrow = forward_of(c, {DType::BF16, DType::BF16});
    norm_forward(wide, {});
    norm_forward(narrow, {});
    EXPECT_EQ(values(narrow.y), rounded(wide.y)) << c.name();
    const NormBackward b = backward_of(narrow, c, GradientMode::Overwrite, true);
    norm_backward(b, {});
    EXPECT_EQ(values(b.dx.tensor), rounded(b.dresidual.tensor)) << c.name();
  }
}

/// A tensor of the same values that begins in the middle of a 16 byte pack.
Tensor shifted(const Tensor& t, bool has_values = true) {
  if (!t.defined()) return t;
  std::vector<double> v(static_cast<std::size_t>(t.numel()));
  if (has_values) v = values(t);
  v.insert(v.begin(), 0.0);
  return tensor({t.numel() + 1}, t.dtype(), v).view(1, t.shape());
}

DEVICE_TEST(Norm, TensorsMayBeginAnywhere) {
  const Case c{NormKind::Layer, {11, 64}, true, true};
  for (const DTypes t : dtypes()) {
    for (int which = 0; which < 7; ++which) {
      NormForward n = forward_of(c, t);
      Tensor* forward[] = {&n.x, &n.residual, &n.weight, &n.bias, &n.y, &n.residual_out};
      constexpr int kInputs = 4;
      if (which < 6) *forward[which] = shifted(*forward[which], which < kInputs);
      norm_forward(n, {});
      expect_forward(n, str(name_of(c, t), " shifted ", which));
      NormBackward b = backward_of(n, c, GradientMode::Accumulate, true);
      Tensor* backward[] = {&b.r,
                            &b.weight,
                            &b.dy,
                            &b.dresidual_out,
                            &b.dx.tensor,
                            &b.dresidual.tensor,
                            &b.dweight.tensor};
      *backward[which] = shifted(*backward[which]);
      expect_equals_f64(b, str(name_of(c, t), " shifted ", which));
    }
  }
}

DEVICE_TEST(Norm, IgnoredGradientsAreNotTouched) {
  for (const std::int64_t d : {9, 12}) {
    const Case c{NormKind::Layer, {4, d}, true, true};
    const DType dtype = test_dtypes().front();
    const NormForward n = forward_of(c, {dtype, dtype});
    norm_forward(n, {});
    const NormBackward all = backward_of(n, c, GradientMode::Overwrite, false);
    norm_backward(all, {});
    for (int which = 0; which < 4; ++which) {
      NormBackward b = backward_of(n, c, GradientMode::Ignore, false);
      Gradient* gradients[] = {&b.dx, &b.dresidual, &b.dweight, &b.dbias};
      const Gradient* wanted[] = {&all.dx, &all.dresidual, &all.dweight, &all.dbias};
      const NormBackward before = backward_of(n, c, GradientMode::Ignore, false);
      const Gradient* untouched[] = {&before.dx, &before.dresidual, &before.dweight, &before.dbias};
      gradients[which]->mode = GradientMode::Overwrite;
      norm_backward(b, {});
      for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(same_bits(gradients[i]->tensor, (i == which ? wanted : untouched)[i]->tensor));
      }
    }
  }
}

DEVICE_TEST(Norm, ALargeCommonOffsetDoesNotHideTheVariance) {
  // one pass over sums of squares would lose all digits: 1000^2 against a variance of 1
  for (const std::int64_t d : {256, 255}) {
    std::vector<double> x = values(random_tensor({1, d}, DType::F32, 1));
    for (double& v : x) v += 1000;
    const std::vector<double> ones(x.size(), 1.0);
    const NormForward n{.kind = NormKind::Layer,
                        .x = tensor({1, d}, DType::F32, x),
                        .weight = tensor({d}, DType::F32, ones),
                        .y = empty({1, d}, DType::F32),
                        .mean = empty({1}, DType::F32),
                        .inverse_std = empty({1}, DType::F32)};
    norm_forward(n, {});
    const Expected want = expected(n);
    EXPECT_NEAR(n.inverse_std.item(), want.inverse_std[0], 1e-5);
    expect_close(n.y, want.y, 2e-4);  // the mean itself is rounded to 1000 * 2^-24
  }
}

DEVICE_TEST(Norm, NoRowsAreAllowed) {
  for (const std::int64_t d : {5, 8}) {
    const Case c{NormKind::Rms, {0, d}, true};
    const NormForward n = forward_of(c, {DType::F32, DType::F32});
    norm_forward(n, {});
    const NormBackward b = backward_of(n, c, GradientMode::Overwrite, false);
    norm_backward(b, {});
    EXPECT_EQ(values(b.dweight.tensor), std::vector<double>(static_cast<std::size_t>(d), 0.0));
    const NormBackward more = backward_of(n, c, GradientMode::Accumulate, false);
    const std::vector<double> before = values(more.dbias.tensor);
    norm_backward(more, {});
    EXPECT_EQ(values(more.dbias.tensor), before);
  }
}

DEVICE_TEST(Norm, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Case& c :
       {Case{NormKind::Rms, {900, 40}, true}, Case{NormKind::Rms, {6000, 40}},
        Case{NormKind::Layer, {300, 700}}, Case{NormKind::Layer, {300, 699}, true}}) {
    for (const DType dtype : test_dtypes()) {
      expect_thread_independent([&] {
        const NormForward n = forward_of(c, {dtype, dtype});
        norm_forward(n, {});
        const NormBackward b = backward_of(n, c, GradientMode::Accumulate, true);
        norm_backward(b, {});
        return std::vector<Tensor>{
            n.y, n.inverse_std, b.dx.tensor, b.dresidual.tensor, b.dweight.tensor, b.dbias.tensor};
      });
    }
  }
}

TEST(Norm, RejectsWhatDoesNotFitAndSaysWhy) {
  const Case c{NormKind::Layer, {4, 9}, true, true};
  const DTypes f32{DType::F32, DType::F32};
  NormForward n = forward_of(c, f32);
  n.weight = Tensor::zeros({8}, DType::F32);
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] weight must have shape (9), got (8).");
  n = forward_of(c, f32);
  n.residual_out = {};
  expect_error([&] { norm_forward(n, {}); },
               "[norm_forward] residual and residual_out must be given together.");
  n = forward_of(c, f32);
  n.mean = {};
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] mean must be given.");
  n = forward_of(c, f32);
  n.y = Tensor::empty(c.shape, DType::BF16);
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] y must be f32, got bf16.");
  n = forward_of({NormKind::Rms, {4, 9}}, {DType::BF16, DType::F32});
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] dtype must be f32 or f64, got bf16.");
  n = forward_of(c, f32);
  NormBackward b = backward_of(n, c, GradientMode::Overwrite, false);
  b.dbias.tensor = Tensor::zeros({9}, DType::F64);
  expect_error([&] { norm_backward(b, {}); }, "[norm_backward] dbias must be f32, got f64.");
  b = backward_of(n, c, GradientMode::Overwrite, false);
  b.dresidual.tensor = Tensor::zeros(c.shape, DType::BF16);
  expect_error([&] { norm_backward(b, {}); }, "[norm_backward] dresidual must be f32, got bf16.");
}

DEVICE_TEST(Norm, WhatIsSummedIsNeverBf16) {
  const Case c{NormKind::Layer, {4, 8}, true, true};
  const DType dtype = on_gpu() ? DType::BF16 : DType::F32;
  NormForward n = forward_of(c, {dtype, dtype});
  n.residual_out = zeros(c.shape, DType::BF16);
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] residual_out must be f32, got bf16.");
  n = forward_of(c, {dtype, dtype});
  n.weight = zeros({8}, DType::BF16);
  expect_error([&] { norm_forward(n, {}); }, "[norm_forward] weight must be f32, got bf16.");
}

}  // namespace
}  // namespace krait
