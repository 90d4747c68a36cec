// Every differentiable operation, every input, against central differences in f64.
#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/gradient_check.h"
#include "autograd/operations/causal_conv1d.h"
#include "autograd/operations/dropout.h"
#include "autograd/operations/elementwise.h"
#include "autograd/operations/embedding.h"
#include "autograd/operations/linear.h"
#include "autograd/operations/linear_cross_entropy.h"
#include "autograd/operations/norm.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/selective_scan.h"
#include "autograd/operations/softmax.h"
#include "autograd/operations/view.h"
#include "autograd/recompute.h"
#include "tests/support/random_tensor.h"

namespace krait {
namespace {

// Differences with step 1e-6 are good to about 1e-9 on values near 1; sums over some dozen terms
// leave a margin of ten.
constexpr double kTolerance = 1e-8;

void expect_gradients(const std::function<std::vector<Variable>()>& f,
                      const std::vector<Variable>& inputs) {
  const GradientCheck check = check_gradients(f, inputs);
  EXPECT_GT(check.elements, 0);
  EXPECT_LT(check.worst, kTolerance) << check.where;
}

TEST(Gradients, UnaryFunctionsMatchCentralDifferences) {
  const Variable x = random_leaf({3, 7}, 1, {-3, 3});
  for (auto* op : {&neg, &exp, &square, &tanh, &sigmoid, &silu, &softplus, &gelu, &relu}) {
    expect_gradients([&] { return std::vector{op(x)}; }, {x});
  }
  const Variable positive = random_leaf({3, 7}, 2, {0.5, 3});
  for (auto* op : {&log, &sqrt}) {
    expect_gradients([&] { return std::vector{op(positive)}; }, {positive});
  }
  expect_gradients([&] { return std::vector{scale(x, -2.5)}; }, {x});
}

TEST(Gradients, BroadcastArithmeticSumsBackToEachOperand) {
  const std::vector<std::pair<Shape, Shape>> shapes{{{2, 3, 4}, {2, 3, 4}},
                                                    {{2, 3, 4}, {4}},
                                                    {{2, 1, 4}, {3, 1}},
                                                    {{1}, {2, 3}},
                                                    {{3, 1}, {1, 5}}};
  for (const auto& [left, right] : shapes) {
    const Variable a = random_leaf(left, 3), b = random_leaf(right, 4, {0.5, 2});
    expect_gradients([&] { return std::vector{a + b}; }, {a, b});
    expect_gradients([&] { return std::vector{a - b}; }, {a, b});
    expect_gradients([&] { return std::vector{a * b}; }, {a, b});
    expect_gradients([&] { return std::vector{a / b}; }, {a, b});
  }
}

TEST(Gradients, OneVariableUsedTwiceByOneOperationGetsBothParts) {
  const Variable x = random_leaf({5}, 5, {0.5, 2});
  expect_gradients([&] { return std::vector{x * x}; }, {x});
  expect_gradients([&] { return std::vector{x / x + x}; }, {x});
  const Variable square_matrix = random_leaf({4, 4}, 6);
  expect_gradients([&] { return std::vector{matmul(square_matrix, square_matrix)}; },
                   {square_matrix});
}

TEST(Gradients, ReductionsAndViews) {
  const Variable x = random_leaf({2, 3, 4}, 7);
  expect_gradients([&] { return std::vector{sum(x), mean(x)}; }, {x});
  expect_gradients([&] { return std::vector{sum_to(x, {3, 1}), sum_to(x, {4})}; }, {x});
  expect_gradients([&] { return std::vector{square(reshape(x, {4, 6}))}; }, {x});
  expect_gradients([&] { return std::vector{square(transpose(x, 0, 2))}; }, {x});
  expect_gradients([&] { return std::vector{reshape(transpose(x, 1, 2), {8, 3})}; }, {x});
  expect_gradients([&] { return std::vector{slice(x, 1, 1, 3), slice(x, 2, 0, 2)}; }, {x});
  const Variable row = random_leaf({3, 1}, 8);
  expect_gradients([&] { return std::vector{square(expand(row, {2, 3, 4}))}; }, {row});
}

TEST(Gradients, SplitWritesItsPiecesSideBySide) {
  const Variable x = random_leaf({2, 3, 7}, 9);
  expect_gradients(
      [&] {
        const auto p = split(x, 2, {2, 4, 1});
        return std::vector{square(p[0]) * p[0], exp(p[1]), p[2]};
      },
      {x});
  // Written in place by one consumer (linear), then added to by one that cannot (square).
  const Variable w = random_leaf({2, 4}, 40);
  expect_gradients(
      [&] {
        const auto p = split(x, 2, {2, 4, 1});
        return std::vector{square(p[1]), linear(p[1], w), linear(p[0], slice(w, 1, 0, 2))};
      },
      {x, w});
  // A piece that nobody differentiates, and the whole used elsewhere as well.
  expect_gradients(
      [&] {
        const auto p = split(x, 1, {1, 2});
        return std::vector{p[1] * p[1], square(x)};
      },
      {x});
}

TEST(Gradients, LinearAndMatmul) {
  const Variable x = random_leaf({2, 3, 5}, 10), w = random_leaf({4, 5}, 11),
                 b = random_leaf({4}, 12);
  expect_gradients([&] { return std::vector{linear(x, w, b)}; }, {x, w, b});
  const Variable wide = random_leaf({2, 3, 9}, 13);
  expect_gradients([&] { return std::vector{linear(split(wide, 2, {1, 5, 3})[1], w)}; }, {wide, w});
  const Variable m = random_leaf({5, 6}, 14);
  expect_gradients([&] { return std::vector{matmul(w, m)}; }, {w, m});
  expect_gradients([&] { return std::vector{linear(transpose(x, 0, 1), w)}; }, {x, w});
}

TEST(Gradients, SoftmaxAndDropout) {
  const Variable x = random_leaf({3, 6}, 15, {-2, 2});
  expect_gradients([&] { return std::vector{softmax(x)}; }, {x});
  expect_gradients([&] { return std::vector{log_softmax(x)}; }, {x});
  const RandomStream mask{.seed = 4, .purpose = RandomPurpose::Dropout, .stream = 1};
  expect_gradients([&] { return std::vector{dropout(x, 0.4, mask, 17)}; }, {x});
}

TEST(Gradients, EmbeddingAddsRepeatedRows) {
  const Variable table = random_leaf({5, 3}, 16);
  const Tensor ids = Tensor::from<std::int32_t>({2, 3}, {4, 0, 4, 2, 4, 0});
  expect_gradients([&] { return std::vector{square(embedding(ids, table))}; }, {table});
}

TEST(Gradients, NormsWithAndWithoutResidual) {
  for (const NormKind kind : {NormKind::Rms, NormKind::Layer}) {
    const Variable x = random_leaf({2, 3, 6}, 17), r = random_leaf({2, 3, 6}, 18);
    NormParameters p{.kind = kind, .weight = random_leaf({6}, 19), .bias = random_leaf({6}, 20)};
    expect_gradients([&] { return std::vector{norm(x, p)}; }, {x, p.weight, p.bias});
    const auto both = [&] {
      const ResidualNorm out = residual_norm(x, r, p);
      return std::vector{out.y, out.residual};
    };
    expect_gradients(both, {x, r, p.weight, p.bias});
    const auto only_residual = [&] { return std::vector{residual_norm(x, r, p).residual}; };
    expect_gradients(only_residual, {x, r});
    p.bias = {};
    expect_gradients([&] { return std::vector{residual_norm(x, r, p).y}; }, {x, r, p.weight});
  }
}

TEST(Gradients, UnitRmsNormEqualsItsFormula) {
  // Rows of a wider array, as the block has them; some small, so that eps counts.
  const Variable wide = random_leaf({2, 3, 9}, 27, {-0.1, 0.1});
  const auto middle = [&] { return slice(wide, 2, 2, 7); };
  const auto formula = [&] {
    const Variable x = middle();
    const Variable mean_square = scale(sum_to(square(x), {2, 3, 1}), 1.0 / 5);
    return x / sqrt(mean_square + Variable(Tensor::from<double>({1}, {1e-3})));
  };
  const Tensor got = unit_rms_norm(middle(), 1e-3).value(), want = formula().value();
  for (std::int64_t i = 0; i < want.numel(); ++i) {
    EXPECT_NEAR(got.data<double>()[i], want.data<double>()[i], 1e-15) << i;
  }
  expect_gradients([&] { return std::vector{unit_rms_norm(middle(), 1e-3)}; }, {wide});
}

TEST(Gradients, CausalConv1dThroughOutputAndFinalState) {
  const Tensor ids = Tensor::from<std::int32_t>({2, 6}, {0, 0, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0});
  for (const std::int64_t width : {1, 2, 4, 8}) {
    for (const bool packed : {false, true}) {
      const Variable x = random_leaf({2, 6, 3}, 21), w = random_leaf({3, width}, 22),
                     b = random_leaf({3}, 23), state = random_leaf({2, width - 1, 3}, 24);
      const auto f = [&] {
        const auto out = causal_conv1d({.x = x,
                                        .weight = w,
                                        .bias = b,
                                        .initial_state = state,
                                        .sequence_ids = packed ? ids : Tensor(),
                                        .want_final_state = true});
        return std::vector{out.y, out.final_state};
      };
      std::vector<Variable> inputs{x, w, b};
      if (width > 1) inputs.push_back(state);
      expect_gradients(f, inputs);
    }
  }
}

struct ScanLeaves {
  Variable u, delta, A, B, C, D, z, bias, state;
  explicit ScanLeaves(std::int64_t groups)
      : u(random_leaf({2, 5, 4}, 25)),
        delta(random_leaf({2, 5, 4}, 26)),
        A(random_leaf({4, 3}, 27, {-1.5, -0.2})),
        B(random_leaf({2, 5, groups, 3}, 28)),
        C(random_leaf({2, 5, groups, 3}, 29)),
        D(random_leaf({4}, 30)),
        z(random_leaf({2, 5, 4}, 31)),
        bias(random_leaf({4}, 32)),
        state(random_leaf({2, 4, 3}, 33)) {}
};

TEST(Gradients, SelectiveScanInEveryInputThroughBothOutputs) {
  const Tensor ids = Tensor::from<std::int32_t>({2, 5}, {0, 0, 1, 1, 2, 5, 5, 5, 5, 5});
  for (const std::int64_t groups : {1, 2}) {
    for (const bool packed : {false, true}) {
      const ScanLeaves s(groups);
      const auto f = [&] {
        const auto out = selective_scan({.u = s.u,
                                         .delta = s.delta,
                                         .A = s.A,
                                         .B = s.B,
                                         .C = s.C,
                                         .D = s.D,
                                         .z = s.z,
                                         .delta_bias = s.bias,
                                         .initial_state = s.state,
                                         .sequence_ids = packed ? ids : Tensor(),
                                         .want_final_state = true});
        return std::vector{out.y, out.final_state};
      };
      expect_gradients(f, {s.u, s.delta, s.A, s.B, s.C, s.D, s.z, s.bias, s.state});
    }
  }
}

TEST(Gradients, SelectiveScanWithoutOptionalInputs) {
  ScanLeaves s(1);
  s.delta = random_leaf({2, 5, 4}, 26, {0.1, 1});
  const auto f = [&] {
    return std::vector{
        selective_scan(
            {.u = s.u, .delta = s.delta, .A = s.A, .B = s.B, .C = s.C, .delta_softplus = false})
            .y};
  };
  expect_gradients(f, {s.u, s.delta, s.A, s.B, s.C});
}

TEST(Gradients, LinearCrossEntropyWithSmoothingZLossAndIgnoredRows) {
  const Variable x = random_leaf({5, 4}, 34), w = random_leaf({7, 4}, 35);
  const Tensor targets = Tensor::from<std::int32_t>({5}, {3, kIgnoreIndex, 0, 6, 3});
  for (const auto& options : {CrossEntropyOptions{}, CrossEntropyOptions{0.2, 0.01}}) {
    expect_gradients([&] { return std::vector{linear_cross_entropy(x, w, targets, options)}; },
                     {x, w});
  }
}

TEST(Gradients, RecomputedFunctionsGiveTheSameGradients) {
  const Variable x = random_leaf({3, 4}, 36), w = random_leaf({4, 4}, 37);
  const auto block = [&](std::span<const Variable> in) {
    return std::vector{silu(linear(in[0], w)), square(in[0])};
  };
  expect_gradients([&] { return recompute(block, {x}, {w}); }, {x, w});
}

TEST(Gradients, ACheckOfAWrongGradientFails) {
  // detach() hides a factor from backward: the check has to notice.
  const Variable x = random_leaf({3}, 38);
  const auto check = check_gradients([&] { return std::vector{x.detach() * x}; }, {x});
  EXPECT_GT(check.worst, 0.01);
}

}  // namespace
}  // namespace krait
