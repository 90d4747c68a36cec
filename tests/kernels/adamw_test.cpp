#include "kernels/adamw.h"

#include "kernels/copy.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

AdamW state(std::int64_t n, DType dtype) {
  return {.param = random_tensor({n}, dtype, 1),
          .m = zeros({n}, dtype),
          .v = zeros({n}, dtype),
          .grad = zeros({n}, dtype),
          .learning_rate = tensor({1}, dtype, {0.01}),
          .grad_scale = tensor({1}, dtype, {1}),
          .step = tensor({1}, DType::I64, {1}),
          .weight_decay = 0.1};
}

/// The master weights on a GPU are f32 always.
std::vector<DType> dtypes() {
  return on_gpu() ? std::vector{DType::F32} : test_dtypes();
}

void set(Tensor& scalar, double value) {
  scalar = tensor({1}, scalar.dtype(), {value});
}

/// param as it has to stand in `compute`.
std::vector<double> rounded(const Tensor& param) {
  std::vector<double> v = values(param);
  for (double& x : v) x = static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(x))));
  return v;
}

/// Four steps against the formula in f64.
void expect_formula(AdamW a, const std::string& what) {
  const DType dtype = a.param.dtype();
  const std::int64_t count = a.param.numel();
  std::vector<double> p = values(a.param), m(p.size()), v(p.size());
  for (int step = 1; step <= 4; ++step) {
    const double lr = 0.01 * step, scale = 1.0 / step;
    copy({.x = random_tensor({count}, dtype, 10 + static_cast<std::uint32_t>(step)), .y = a.grad},
         {});
    const std::vector<double> g = values(a.grad);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double scaled = scale * g[i];
      m[i] = a.beta1 * m[i] + (1 - a.beta1) * scaled;
      v[i] = a.beta2 * v[i] + (1 - a.beta2) * scaled * scaled;
      const double m_hat = m[i] / (1 - std::pow(a.beta1, step));
      const double v_hat = v[i] / (1 - std::pow(a.beta2, step));
      p[i] -= lr * (m_hat / (std::sqrt(v_hat) + a.eps) + a.weight_decay * p[i]);
    }
    set(a.learning_rate, lr), set(a.grad_scale, scale), set(a.step, step);
    adamw(a, {});
  }
  // Ten roundings a step; m cancels where gradients change sign, which m_hat / sqrt(v_hat), of
  // order 1, carries into p multiplied by the rate.
  const double tolerance = dtype == DType::F32 ? 16 * 0x1p-24 : 1e-14;
  expect_close(a.param, p, tolerance, what + " param");
  expect_close(a.m, m, tolerance, what + " m");
  expect_close(a.v, v, tolerance, what + " v");
  if (a.compute.defined()) {
    EXPECT_EQ(values(a.compute), rounded(a.param)) << what;
  }
}

DEVICE_TEST(AdamW, FollowsTheFormulaStepByStep) {
  for (const DType dtype : dtypes()) {
    // no whole pack, whole packs with and without a rest, more than one block
    for (const std::int64_t count : {1, 3, 4, 1024, 1030, 70001}) {
      AdamW a = state(count, dtype);
      expect_formula(a, str(dtype, " ", count));
      a = state(count, dtype);
      a.compute = empty({count}, DType::BF16);
      expect_formula(a, str(dtype, " ", count, " compute"));
    }
  }
}

DEVICE_TEST(AdamW, EveryThreadTakesMoreThanOneElement) {
  if (!on_gpu()) return;  // what a grid covers at once: 132 * 16 blocks of 256 threads with 4 each
  AdamW a = state(132 * 16 * 256 * 4 + 1025, DType::F32);
  a.compute = empty({a.param.numel()}, DType::BF16);
  expect_formula(a, "long");
}

DEVICE_TEST(AdamW, WorksInSlices) {
  // beginning anywhere, and leaving what lies around alone
  for (const DType dtype : dtypes()) {
    for (int which = 0; which < 5; ++which) {
      AdamW a = state(200, dtype);
      a.compute = zeros({200}, DType::BF16);
      Tensor* tensors[] = {&a.param, &a.m, &a.v, &a.grad, &a.compute};
      Tensor& own = *tensors[which];
      const Tensor whole = zeros({202}, own.dtype());
      copy({.x = own, .y = whole.slice(0, 1, 201)}, {});
      own = whole.slice(0, 1, 201);
      expect_formula(a, str("slice ", which));
      EXPECT_EQ(values(whole).front(), 0);
      EXPECT_EQ(values(whole).back(), 0);
    }
  }
}

DEVICE_TEST(AdamW, AScaleOfNanChangesNothing) {
  for (const DType dtype : dtypes()) {
    AdamW a = state(1030, dtype);
    a.m = random_tensor({1030}, dtype, 2), a.v = random_tensor({1030}, dtype, 3);
    a.grad = random_tensor({1030}, dtype, 4), a.compute = random_tensor({1030}, DType::BF16, 5);
    const Tensor tensors[] = {a.param, a.m, a.v, a.compute};
    std::vector<std::vector<double>> before;
    for (const Tensor& t : tensors) before.push_back(values(t));
    set(a.grad_scale, std::nan(""));
    adamw(a, {});
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(values(tensors[i]), before[i]) << i;
  }
}

DEVICE_TEST(AdamW, ComputeRoundsTiesToEvenAndKeepsNan) {
  AdamW a = state(4, DType::F32);
  a.param = tensor({4}, DType::F32, {1 + 0x1p-8, 1 + 3 * 0x1p-8, -1 - 0x1p-8 - 0x1p-20, NAN});
  a.compute = zeros({4}, DType::BF16);
  set(a.learning_rate, 0);
  adamw(a, {});
  const std::vector<double> got = values(a.compute);
  EXPECT_EQ(got[0], 1);
  EXPECT_EQ(got[1], 1 + 0x1p-6);
  EXPECT_EQ(got[2], -1 - 0x1p-7);
  EXPECT_TRUE(std::isnan(got[3]));
}

DEVICE_TEST(AdamW, NoParametersAreAllowed) {
  AdamW a = state(0, DType::F32);
  a.compute = empty({0}, DType::BF16);
  adamw(a, {});
}

TEST(AdamW, EqualsPyTorchAfterThreeSteps) {
  // torch.optim.AdamW([p], betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1) in f64, where before each
  // step group["lr"] = lr and p.grad = scale * grad (PyTorch 2.15)
  const std::vector<double> grads[] = {
      {0.1, -0.2, 0.3, 1e-5, -4.0}, {-0.3, 0.25, 0.125, 2e-5, 0.0}, {0.05, -0.7, 0.0, -1e-5, 2.5}};
  const double rates[] = {1e-2, 2e-2, 5e-3}, scales[] = {1.0, 0.5, 0.25};
  AdamW a = state(5, DType::F64);
  a.param = tensor({5}, DType::F64, {0.5, -1.25, 3.0, -0.001, 0.0});
  for (int i = 0; i < 3; ++i) {
    a.grad = tensor({5}, DType::F64, grads[i]);
    set(a.learning_rate, rates[i]), set(a.grad_scale, scales[i]), set(a.step, i + 1);
    adamw(a, {});
  }
  expect_close(a.param,
               {0.49394433185901326, -1.2297154795727279, 2.9599983944567749, -0.034215193831648782,
                0.025657128888903438},
               1e-15);
  expect_close(a.m,
               {-0.0041499999999999992, -0.022449999999999998, 0.029924999999999997,
                1.4599999999999998e-06, -0.26149999999999995},
               1e-16);
  expect_close(a.v,
               {0.0015278125000000012, 0.0040784375000000031, 0.0042467968750000036,
                9.5750000000000096e-12, 0.74153125000000064},
               2e-16);
}

DEVICE_TEST(AdamW, AZeroRateLeavesTheParameters) {
  AdamW a = state(100, DType::F32);
  const std::vector<double> before = values(a.param);
  set(a.learning_rate, 0);
  a.grad = tensor({100}, DType::F32, std::vector<double>(100, 1.0));
  adamw(a, {});
  EXPECT_EQ(values(a.param), before);
  EXPECT_NEAR(values(a.m)[50], 0.1, 1e-8);
}

DEVICE_TEST(AdamW, SmallGradientsKeepTheirSecondMoment) {
  AdamW a = state(1, DType::F32);
  set(a.grad, 1e-15), set(a.param, 0);
  adamw(a, {});
  EXPECT_FLOAT_EQ(static_cast<float>(a.v.item()), 5e-32f);
  EXPECT_FLOAT_EQ(static_cast<float>(a.param.item()), -0.01f * 1e-15f / (1e-15f + 1e-8f));
}

DEVICE_TEST(AdamW, BitsDoNotDependOnTheNumberOfThreads) {
  expect_thread_independent([] {
    AdamW a = state(200003, DType::F32);
    a.grad = random_tensor({200003}, DType::F32, 9);
    adamw(a, {});
    return std::vector<Tensor>{a.param, a.m, a.v};
  });
}

TEST(AdamW, RejectsWhatDoesNotFitAndSaysWhy) {
  AdamW a = state(3, DType::F32);
  a.grad = Tensor::zeros({4}, DType::F32);
  expect_error([&] { adamw(a, {}); }, "[adamw] grad must have shape (3), got (4).");
  a = state(3, DType::F32);
  set(a.step, 0);
  expect_error([&] { adamw(a, {}); }, "[adamw] step is counted from 1, got 0.");
  a = state(3, DType::F32);
  a.beta2 = 1;
  expect_error([&] { adamw(a, {}); }, "[adamw] beta1 and beta2 must be in [0, 1), got 0.9 and 1.");
  a = state(3, DType::F32);
  a.step = Tensor::zeros({1}, DType::I32);
  expect_error([&] { adamw(a, {}); }, "[adamw] step must be i64, got i32.");
  a = state(3, DType::F32);
  a.compute = Tensor::zeros({3}, DType::F32);
  expect_error([&] { adamw(a, {}); }, "[adamw] compute must be bf16, got f32.");
}

}  // namespace
}  // namespace krait
