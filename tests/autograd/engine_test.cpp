#include "autograd/engine.h"

#include <gtest/gtest.h>

#include "autograd/node.h"
#include "autograd/operations/elementwise.h"
#include "autograd/operations/linear.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/view.h"
#include "autograd/recompute.h"
#include "core/memory/allocator.h"
#include "tests/support/random_tensor.h"

namespace krait {
namespace {

Variable leaf(std::initializer_list<double> values) {
  return Variable(Tensor::from<double>({static_cast<std::int64_t>(values.size())}, values), true);
}
double grad_at(const Variable& v, std::int64_t i) {
  return v.grad().data<double>()[i];
}

TEST(Engine, AGraphOf100000NodesGoesForwardBackwardAndAwayWithoutRecursion) {
  const Variable x = leaf({1.0});
  Variable y = x;
  for (int i = 0; i < 100000; ++i) y = y + x;
  backward(y);
  EXPECT_EQ(grad_at(x, 0), 100001);
  Variable unused = x;  // destroyed without a backward pass
  for (int i = 0; i < 100000; ++i) unused = scale(unused, 1.0);
}

TEST(Engine, GradientsOfTwoBackwardPassesAdd) {
  const Variable x = leaf({2.0, 3.0});
  backward(sum(square(x)));
  backward(sum(square(x)));
  EXPECT_EQ(grad_at(x, 0), 8);
  EXPECT_EQ(grad_at(x, 1), 12);
  x.clear_grad();
  backward(sum(x));
  EXPECT_EQ(grad_at(x, 0), 1);
}

TEST(Engine, ASharedGradientIsNotChangedUnderItsOtherOwner) {
  // x + y gives one tensor to both; x's second use must not add into y's.
  const Variable x = leaf({1.0}), y = leaf({1.0});
  const Variable s = x + y;
  backward(sum(s + scale(x, 5)));
  EXPECT_EQ(grad_at(x, 0), 6);
  EXPECT_EQ(grad_at(y, 0), 1);
}

TEST(Engine, BoundGradientsAreWrittenInPlace) {
  const Tensor values = Tensor::from<double>({4}, {1, 2, 3, 4}),
               grads = Tensor::zeros({4}, DType::F64);
  const Variable a = leaf({0.0, 0.0}), b = leaf({0.0, 0.0});
  a.bind(values.view(0, {2}), grads.view(0, {2}));
  b.bind(values.view(2, {2}), grads.view(2, {2}));
  backward(sum(a * b));
  EXPECT_EQ(grads.data<double>()[0], 3);
  EXPECT_EQ(grads.data<double>()[3], 2);
  a.clear_grad();  // left to the owner of the buffer
  EXPECT_EQ(grads.data<double>()[0], 3);
}

TEST(Engine, InPlaceChangeOfASavedTensorIsAnError) {
  const Variable x = leaf({1.0, 2.0});
  const Variable y = square(x);
  x.value().zero();
  try {
    backward(sum(y));
    FAIL() << "backward accepted a changed tensor";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("changed in place"), std::string::npos) << e.what();
  }
  const Variable z = scale(leaf({1.0}), 2);  // saves no tensor: a change does no harm
  z.value().bump_version();
  EXPECT_NO_THROW(backward(z));
}

TEST(Engine, ASecondBackwardThroughAFreedGraphIsAnError) {
  const Variable x = leaf({1.0});
  const Variable y = square(x);
  backward(y);
  EXPECT_THROW(backward(y), Error);
}

TEST(Engine, NoGradScopeRecordsNothing) {
  const Variable x = leaf({1.0});
  Variable y;
  {
    const NoGradScope scope;
    y = square(x);
  }
  EXPECT_FALSE(y.requires_grad());
  EXPECT_THROW(backward(y), Error);
  EXPECT_TRUE(square(x).requires_grad());
}

TEST(Engine, ReportsEachGradientOnceWhenItIsComplete) {
  const Variable w1 = leaf({2.0}), w2 = leaf({3.0}), x = leaf({1.0});
  std::vector<std::string> order;
  w1.on_gradient_ready([&] { order.push_back("w1"); });
  w2.on_gradient_ready([&] { order.push_back("w2"); });
  // w1 is used twice, first and last: it must be reported after w2, which is complete earlier.
  backward(w1 * x * w2 * w1);
  EXPECT_EQ(order, (std::vector<std::string>{"w2", "w1"}));
  EXPECT_EQ(grad_at(w1, 0), 12);  // d(w1^2 w2)/dw1 = 2 w1 w2
}

TEST(Engine, RecomputedParametersAreReportedOnceByTheOuterPass) {
  const Variable w = leaf({2.0}), x = leaf({1.0});
  int calls = 0;
  w.on_gradient_ready([&] { ++calls; });
  const auto block = [&](std::span<const Variable> in) { return std::vector{in[0] * w}; };
  Variable y = x;
  for (int i = 0; i < 3; ++i) y = recompute(block, {y}, {w})[0];
  backward(y);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(grad_at(w, 0), 12);  // d(w^3)/dw
  EXPECT_EQ(grad_at(x, 0), 8);
}

TEST(Engine, FreesSavedTensorsOnTheWay) {
  const Variable x = random_leaf({1 << 16}, 1);
  Variable y = x;
  for (int i = 0; i < 8; ++i) y = square(y);
  const Variable loss = sum(y);
  y = {};
  const std::size_t before = allocator({}).statistics().active;
  backward(loss);
  // Seven intermediate values of 512 KiB are gone, one gradient of 512 KiB is there.
  EXPECT_LT(allocator({}).statistics().active + 5 * (std::size_t{1} << 19), before);
}

TEST(Engine, AnInputThatNoNodeSavesGoesWithItsLastHandle) {
  const Variable x = random_leaf({1 << 16}, 2);
  Variable y = scale(x, 2);  // 512 KiB that backward of the next scale() does not read
  const std::size_t with_y = allocator({}).statistics().active;
  const Variable z = sum(scale(y, 3));
  y = {};
  EXPECT_LE(allocator({}).statistics().active + (std::size_t{1} << 19), with_y + (1 << 12));
  backward(z);
  EXPECT_EQ(grad_at(x, 5), 6);
}

TEST(Engine, RootsWithoutAGradientOrOfManyElementsAreRejected) {
  EXPECT_THROW(backward(Variable(Tensor::zeros({1}, DType::F64))), Error);
  EXPECT_THROW(backward(square(leaf({1.0, 2.0}))), Error);
}

TEST(Engine, SeveralRootsAreDifferentiatedTogether) {
  const Variable x = leaf({3.0});
  const Variable a = square(x), b = scale(x, 10);
  const Tensor one = Tensor::from<double>({1}, {1.0}), two = Tensor::from<double>({1}, {2.0});
  const std::vector<Root> roots{{a, one}, {b, two}, {x, one}};
  backward(roots);
  EXPECT_EQ(grad_at(x, 0), 6 + 20 + 1);
}

}  // namespace
}  // namespace krait
