#include "layers/module.h"

#include <thread>

#include <gtest/gtest.h>

#include "core/memory/allocator.h"
#include "layers/basic/linear.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

const LinearConfig kConfig{
    .inputs = 30, .outputs = 20, .bias = true, .dtype = DType::F64, .compute = DType::F32};

class Pair : public Module {
 public:
  Pair() : first_(kConfig), second_(kConfig) {
    add_child("first", first_);
    add_child("second", second_);
  }

 private:
  Linear first_, second_;
};

std::uint64_t allocations() {
  return allocator({}).statistics().allocations;
}

TEST(ShapesOnly, KnowsWhatTheModuleKnowsAndTakesNoMemory) {
  const Pair real;
  const std::uint64_t before = allocations();
  const ShapesOnlyScope no_memory;
  const Pair shapes;
  EXPECT_EQ(shapes.parameter_count(), 2 * (30 * 20 + 20));
  const auto want = real.parameters(), got = shapes.parameters();
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].name, want[i].name);
    EXPECT_EQ(got[i].shape(), want[i].shape());
    EXPECT_EQ(got[i].dtype(), DType::F64);
    EXPECT_EQ(got[i].compute_dtype(), want[i].compute_dtype());
    EXPECT_EQ(got[i].weight_decay, want[i].weight_decay);
    EXPECT_FALSE(got[i].variable.value().defined());
    EXPECT_TRUE(want[i].variable.value().defined());
  }
  EXPECT_EQ(allocations(), before);
}

TEST(ShapesOnly, HoldsForItsThreadUntilTheScopeEnds) {
  {
    const ShapesOnlyScope outer;
    { const ShapesOnlyScope inner; }
    EXPECT_FALSE(Pair().parameters()[0].variable.value().defined());
    std::thread([] { EXPECT_TRUE(Pair().parameters()[0].variable.value().defined()); }).join();
  }
  EXPECT_TRUE(Pair().parameters()[0].variable.value().defined());
}

TEST(ShapesOnly, AModuleWithoutMemoryIsNotInitialisedOrPlaced) {
  const ShapesOnlyScope no_memory;
  const Pair shapes;
  expect_error(ErrorKind::Contract, {"first.weight", "ShapesOnlyScope"},
               [&] { shapes.initialise(1); });
  expect_error(ErrorKind::Contract, {"first.weight", "ShapesOnlyScope"}, [&] { shapes.place({}); });
}

TEST(ShapesOnly, ParametersCanBeGivenMemoryLater) {
  const Pair real;
  real.initialise(3);
  const ShapesOnlyScope no_memory;
  const Pair shapes;
  for (const Parameter& p : shapes.parameters()) {
    p.variable.rebind(Tensor::empty(p.shape(), p.dtype()));
  }
  shapes.initialise(3);
  const auto want = real.parameters(), got = shapes.parameters();
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto a = want[i].variable.value().span<double>(),
               b = got[i].variable.value().span<double>();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << want[i].name;
  }
}

}  // namespace
}  // namespace krait
