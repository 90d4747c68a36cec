#include <gtest/gtest.h>

#include "tests/kernels/causal_conv1d_oracle.h"
#include "tests/kernels/golden_arrays.h"

namespace krait {
namespace {

using namespace conv_test;

template <class T>
int check(const GoldenGroup& group, const Tolerance& tolerance) {
  Arrays in, want;
  group.take_rows("x", "x", &in);
  group.take("weight", "weight", &in);
  group.take("bias", "bias", &in);
  group.take_rows("x0", "initial_state", &in);
  group.take_rows("dout", "dy", &in);
  group.take_rows("out", "y", &want);
  group.take_rows("dx", "dx", &want);
  group.take("dweight", "dweight", &want);
  group.take("dbias", "dbias", &want);
  group.take_rows("dx0", "dinitial_state", &want);
  const Shape x = group.shape("x");  // (b, d, l)
  const Case sizes{
      .b = x[0], .l = x[2], .d = x[1], .w = group.shape("weight")[1], .silu = group.flag("silu")};
  return compare_golden(kernel_conv<T>(sizes, in), want, tolerance);
}

TEST(GoldenCausalConv1d, F64) {
  for_each_golden_group("causal_conv1d.h5",
                        [](const GoldenGroup& g) { return check<double>(g, kGoldenF64); });
}

TEST(GoldenCausalConv1d, F32) {
  for_each_golden_group("causal_conv1d.h5",
                        [](const GoldenGroup& g) { return check<float>(g, kGoldenF32); });
}

}  // namespace
}  // namespace krait
