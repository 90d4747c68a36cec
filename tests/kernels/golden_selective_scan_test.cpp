#include <gtest/gtest.h>

#include "tests/kernels/golden_arrays.h"
#include "tests/kernels/selective_scan_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace scan_test;
using namespace testing;

struct Problem {
  Case sizes;
  Arrays in, want;
};

Problem read_problem(const GoldenGroup& group) {
  Problem p;
  group.take_rows("u", "u", &p.in);
  group.take_rows("delta", "delta", &p.in);
  group.take_rows("z", "z", &p.in);
  group.take_rows("B", "B", &p.in);
  group.take_rows("C", "C", &p.in);
  group.take("A", "A", &p.in);
  group.take("D", "D", &p.in);
  group.take("delta_bias", "delta_bias", &p.in);
  group.take("h0", "initial_state", &p.in);
  group.take_rows("dout", "dy", &p.in);
  group.take("dlast_state", "dfinal_state", &p.in);

  group.take_rows("out", "y", &p.want);
  group.take("last_state", "final_state", &p.want);
  for (const char* name : {"du", "ddelta", "dz", "dB", "dC"}) group.take_rows(name, name, &p.want);
  for (const char* name : {"dA", "dD", "ddelta_bias"}) group.take(name, name, &p.want);
  group.take("dh0", "dinitial_state", &p.want);

  const Shape u = group.shape("u"), B = group.shape("B");  // (b, d, l), (b, g, n, l)
  p.sizes = {.b = u[0],
             .l = u[2],
             .d = u[1],
             .n = B[2],
             .g = B[1],
             .D = p.in.contains("D"),
             .z = p.in.contains("z"),
             .bias = p.in.contains("delta_bias"),
             .softplus = group.flag("delta_softplus"),
             .initial = p.in.contains("initial_state"),
             .dfinal = p.in.contains("dfinal_state")};
  return p;
}

DEVICE_TEST(GoldenSelectiveScan, AgreesInEveryPrecision) {
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(t);
    for_each_golden_group("selective_scan.h5", [&](const GoldenGroup& group) {
      Problem p = read_problem(group);
      if (t == DType::BF16) {
        // The file's inputs are f32: rounded, they are other problems, for which the loop answers.
        p.in = as_stored(p.in, kActivations, t);
        p.want = named_as(p.want, naive_scan<double>(p.sizes, p.in));
      }
      return compare_golden(kernel_scan(t, p.sizes, p.in), p.want, golden_allowed(t, kActivations));
    });
  }
}

}  // namespace
}  // namespace krait
