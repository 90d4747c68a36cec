#include <gtest/gtest.h>

#include "tests/kernels/causal_conv1d_oracle.h"
#include "tests/kernels/golden_arrays.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace conv_test;
using namespace testing;

struct Problem {
  Case sizes;
  Arrays in, want;
};

Problem read_problem(const GoldenGroup& group) {
  Problem p;
  group.take_rows("x", "x", &p.in);
  group.take("weight", "weight", &p.in);
  group.take("bias", "bias", &p.in);
  group.take_rows("x0", "initial_state", &p.in);
  group.take_rows("dout", "dy", &p.in);
  group.take_rows("out", "y", &p.want);
  group.take_rows("dx", "dx", &p.want);
  group.take("dweight", "dweight", &p.want);
  group.take("dbias", "dbias", &p.want);
  group.take_rows("dx0", "dinitial_state", &p.want);
  const Shape x = group.shape("x");  // (b, d, l)
  p.sizes = {.b = x[0],
             .l = x[2],
             .d = x[1],
             .w = group.shape("weight")[1],
             .bias = p.in.contains("bias"),
             .silu = group.flag("silu"),
             .initial = p.in.contains("initial_state")};
  return p;
}

DEVICE_TEST(GoldenCausalConv1d, AgreesInEveryPrecision) {
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(t);
    for_each_golden_group("causal_conv1d.h5", [&](const GoldenGroup& group) {
      Problem p = read_problem(group);
      if (t == DType::BF16) {
        // The file's inputs are f32: rounded, they are other problems, for which the loop answers.
        p.in = as_stored(p.in, kActivations, t);
        p.want = named_as(p.want, naive_conv<double>(p.sizes, p.in));
      }
      return compare_golden(kernel_conv(t, p.sizes, p.in), p.want, golden_allowed(t, kActivations));
    });
  }
}

}  // namespace
}  // namespace krait
