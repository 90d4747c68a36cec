#include "train/optimizer.h"

#include <cmath>

#include <gtest/gtest.h>

#include "layers/initialise.h"
#include "layers/linear.h"

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
  EXPECT_EQ(optimizer.gradient_norm(), 0);
  optimizer.update(1, 0.1);  // no gradient: only the decay acts
  EXPECT_DOUBLE_EQ(linear.weight().value().data<double>()[4], weight * (1 - 0.1 * 0.5));
  EXPECT_EQ(linear.bias().value().data<double>()[0], 3);
  linear.bias().grad().data<double>()[0] = 300;
  linear.bias().grad().data<double>()[1] = 400;
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm(), 500);
  optimizer.update(2, 0);
  const double clipped = 300 * (1 / (500 + 1e-6));
  EXPECT_NEAR(optimizer.first_moment().data<double>()[16], 0.1 * clipped, 1e-15);
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
