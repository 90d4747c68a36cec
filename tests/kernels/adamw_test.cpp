#include "kernels/adamw.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

AdamW state(std::int64_t n, DType dtype) {
  return {.param = random_tensor({n}, dtype, 1),
          .m = Tensor::zeros({n}, dtype),
          .v = Tensor::zeros({n}, dtype),
          .grad = Tensor::zeros({n}, dtype),
          .learning_rate = tensor({1}, dtype, {0.01}),
          .grad_scale = tensor({1}, dtype, {1}),
          .step = tensor({1}, DType::I64, {1}),
          .weight_decay = 0.1};
}

TEST(AdamW, FollowsTheFormulaStepByStep) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    constexpr std::int64_t kCount = 70001;
    const AdamW a = state(kCount, dtype);
    std::vector<double> p = values(a.param), m(p.size()), v(p.size());
    for (int step = 1; step <= 4; ++step) {
      const double lr = 0.01 * step, scale = 1.0 / step;
      const std::vector<double> g =
          values(random_tensor({kCount}, dtype, 10 + static_cast<std::uint32_t>(step)));
      for (std::size_t i = 0; i < g.size(); ++i) {
        write(a.grad, static_cast<std::int64_t>(i), g[i]);
        const double scaled = scale * g[i];
        m[i] = a.beta1 * m[i] + (1 - a.beta1) * scaled;
        v[i] = a.beta2 * v[i] + (1 - a.beta2) * scaled * scaled;
        const double m_hat = m[i] / (1 - std::pow(a.beta1, step));
        const double v_hat = v[i] / (1 - std::pow(a.beta2, step));
        p[i] -= lr * (m_hat / (std::sqrt(v_hat) + a.eps) + a.weight_decay * p[i]);
      }
      write(a.learning_rate, 0, lr), write(a.grad_scale, 0, scale), write(a.step, 0, step);
      adamw(a, {});
    }
    // Ten roundings a step; m cancels where gradients change sign, which m_hat / sqrt(v_hat), of
    // order 1, carries into p multiplied by the rate.
    const double tolerance = dtype == DType::F32 ? 16 * 0x1p-24 : 1e-14;
    expect_close(a.param, p, tolerance, "param");
    expect_close(a.m, m, tolerance, "m");
    expect_close(a.v, v, tolerance, "v");
  }
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
    write(a.learning_rate, 0, rates[i]), write(a.grad_scale, 0, scales[i]), write(a.step, 0, i + 1);
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

TEST(AdamW, AZeroRateLeavesTheParameters) {
  const AdamW a = state(100, DType::F32);
  const std::vector<double> before = values(a.param);
  write(a.learning_rate, 0, 0);
  std::fill_n(a.grad.data<float>(), 100, 1.0f);
  adamw(a, {});
  EXPECT_EQ(values(a.param), before);
  EXPECT_NEAR(read(a.m, 50), 0.1, 1e-8);
}

TEST(AdamW, SmallGradientsKeepTheirSecondMoment) {
  const AdamW a = state(1, DType::F32);
  write(a.grad, 0, 1e-15), write(a.param, 0, 0);
  adamw(a, {});
  EXPECT_FLOAT_EQ(static_cast<float>(a.v.item()), 5e-32f);
  EXPECT_FLOAT_EQ(static_cast<float>(a.param.item()), -0.01f * 1e-15f / (1e-15f + 1e-8f));
}

TEST(AdamW, BitsDoNotDependOnTheNumberOfThreads) {
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
  write(a.step, 0, 0);
  expect_error([&] { adamw(a, {}); }, "[adamw] step is counted from 1, got 0.");
  a = state(3, DType::F32);
  a.beta2 = 1;
  expect_error([&] { adamw(a, {}); }, "[adamw] beta1 and beta2 must be in [0, 1), got 0.9 and 1.");
  a = state(3, DType::F32);
  a.step = Tensor::zeros({1}, DType::I32);
  expect_error([&] { adamw(a, {}); }, "[adamw] step must be i64, got i32.");
}

}  // namespace
}  // namespace krait
