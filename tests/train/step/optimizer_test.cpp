#include "train/step/optimizer.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/copy.h"
#include "layers/basic/initialise.h"
#include "layers/basic/linear.h"
#include "tests/support/tensors.h"
#include "train/step/parameter_average.h"

namespace krait {
namespace {

LinearConfig layer() {
  return {.inputs = 3, .outputs = 5, .bias = true, .dtype = DType::F64};
}

TEST(ParameterArena, MovesValuesAndPutsDecayedParametersFirst) {
  const Linear linear(layer());
  linear.initialise(1);
  const double before = linear.weight().value().data<double>()[7];
  const ParameterArena arena(linear);
  EXPECT_EQ(linear.weight().value().data<double>()[7], before);
  EXPECT_EQ(linear.weight().value().storage(), arena.value().storage());
  EXPECT_EQ(linear.bias().grad().storage(), arena.grad().storage());
  EXPECT_EQ(arena.decayed(), 16);  // 15 elements of the weight, to the next cache line
  EXPECT_EQ(arena.size(), 32);
  arena.value().data<double>()[0] = 42;
  EXPECT_EQ(linear.weight().value().data<double>()[0], 42);
  const auto named = arena.named(arena.grad());
  ASSERT_EQ(named.size(), 2u);
  EXPECT_EQ(named[0].name, "weight");
  EXPECT_EQ(named[1].tensor.shape(), (Shape{5}));
}

TEST(Optimizer, DecaysWeightsButNotBiasesAndClipsToTheNorm) {
  const Linear linear(layer());
  linear.initialise(2);
  const ParameterArena arena(linear);
  linear.bias().value().data<double>()[0] = 3;
  const double weight = linear.weight().value().data<double>()[4];
  Optimizer optimizer(arena, {.lr = 0.1, .weight_decay = 0.5, .clip_norm = 1});
  const StepScalars scalars(arena.value().dtype(), arena.value().device());
  EXPECT_EQ(optimizer.gradient_norm().item(), 0);
  scalars.set({.number = 1, .learning_rate = 0.1});
  optimizer.update(scalars);  // no gradient: only the decay acts
  EXPECT_DOUBLE_EQ(linear.weight().value().data<double>()[4], weight * (1 - 0.1 * 0.5));
  EXPECT_EQ(linear.bias().value().data<double>()[0], 3);
  linear.bias().grad().data<double>()[0] = 300;
  linear.bias().grad().data<double>()[1] = 400;
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm().item(), 500);
  scalars.set({.number = 2, .learning_rate = 0});
  optimizer.update(scalars);
  const double clipped = 300 * (1 / (500 + 1e-6));
  EXPECT_NEAR(optimizer.first_moment().data<double>()[16], 0.1 * clipped, 1e-15);
}

LinearConfig mixed_layer() {
  return {.inputs = 3, .outputs = 5, .bias = true, .compute = DType::BF16};
}

/// `values` as the nearest bf16.
std::vector<double> rounded(const Tensor& values) {
  const Tensor host = values.to({}), narrow = Tensor::empty(values.shape(), DType::BF16);
  copy({.x = host, .y = narrow}, {});
  return testing::values(narrow);
}

DEVICE_TEST(ParameterArena, KeepsWideValuesBesideThoseThatOperationsRead) {
  const Linear linear(mixed_layer());
  linear.initialise(4);
  const std::vector<double> before = testing::values(linear.weight().value());
  const ParameterArena arena(linear, testing::test_device());
  EXPECT_EQ(arena.value().dtype(), DType::F32);
  EXPECT_EQ(arena.grad().dtype(), DType::F32);
  EXPECT_EQ(arena.compute().dtype(), DType::BF16);
  EXPECT_EQ(arena.value().device(), testing::test_device());
  EXPECT_EQ(testing::values(arena.named(arena.value())[0].tensor), before);
  EXPECT_EQ(linear.weight().value().storage(), arena.compute().storage());
  EXPECT_EQ(linear.weight().grad().storage(), arena.grad().storage());
  EXPECT_EQ(linear.weight().grad().dtype(), DType::F32);
  EXPECT_EQ(linear.bias().value().storage(), arena.value().storage());  // read as it is kept
  EXPECT_EQ(testing::values(arena.compute()), rounded(arena.value()));
  arena.value().zero();
  arena.refresh_compute();
  EXPECT_EQ(testing::values(arena.compute()), std::vector<double>(32, 0.0));
}

DEVICE_TEST(Optimizer, WritesTheWideValuesAndTheirCopy) {
  const Linear linear(mixed_layer());
  linear.initialise(5);
  const ParameterArena arena(linear, testing::test_device());
  Optimizer optimizer(arena, {.lr = 1e-4, .clip_norm = 1});
  const StepScalars scalars(arena.value().dtype(), arena.value().device());
  const std::vector<double> before = testing::values(arena.value());
  for (std::int64_t step = 1; step <= 3; ++step) {
    fill({.y = linear.weight().grad(), .value = 0.25}, {});
    optimizer.gradient_norm();
    scalars.set({.number = step, .learning_rate = 1e-4});
    optimizer.update(scalars);
  }
  // Steps of 1e-4 are below half a unit of bf16 at most weights: they add up in the wide values.
  const std::vector<double> after = testing::values(arena.value());
  for (std::size_t i = 0; i < 15; ++i) {
    EXPECT_NEAR(after[i], before[i] - 3e-4 - 3e-5 * before[i], 3e-6) << i;  // AdamW and its decay
  }
  EXPECT_EQ(testing::values(arena.compute()), rounded(arena.value()));
}

DEVICE_TEST(Optimizer, AFigureThatIsNotFiniteEndsAllUpdates) {
  for (const bool in_gradient : {true, false}) {
    const Linear linear(mixed_layer());
    linear.initialise(6);
    const ParameterArena arena(linear, testing::test_device());
    Optimizer optimizer(arena, {.lr = 0.1, .clip_norm = 0});
    const StepScalars scalars(arena.value().dtype(), arena.value().device());
    const double infinity = std::numeric_limits<double>::infinity();
    const Tensor figure = testing::empty({1}, DType::F32);
    const auto step = [&](std::int64_t number, double gradient, double value) {
      fill({.y = linear.weight().grad(), .value = gradient}, {});
      fill({.y = figure, .value = value}, {});
      optimizer.require_finite(figure);
      optimizer.gradient_norm();
      scalars.set({.number = number, .learning_rate = 0.1});
      optimizer.update(scalars);
      return std::vector{testing::values(arena.value()), testing::values(arena.compute()),
                         testing::values(optimizer.first_moment())};
    };
    const auto good = step(1, 1, 1);
    EXPECT_EQ(in_gradient ? step(2, infinity, 1) : step(2, 1, infinity), good);
    EXPECT_EQ(step(3, 1, 1), good);  // and it stays so
  }
}

TEST(ParameterAverage, FollowsTheParameters) {
  const Linear linear(layer());
  linear.initialise(3);
  const ParameterArena arena(linear);
  ParameterAverage average(arena, 0.75);
  const double start = arena.value().data<double>()[2];
  arena.value().data<double>()[2] = start + 1;
  average.update();
  average.update();
  EXPECT_NEAR(average.average().data<double>()[2], start + 1 - 0.75 * 0.75, 1e-14);
}

}  // namespace
}  // namespace krait
