#include <gtest/gtest.h>

#include "tests/kernels/golden_arrays.h"
#include "tests/kernels/selective_scan_oracle.h"

namespace krait {
namespace {

using namespace scan_test;

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
             .softplus = group.flag("delta_softplus")};
  return p;
}

template <class T>
int check(const GoldenGroup& group, const Tolerance& tolerance) {
  const Problem p = read_problem(group);
  return compare_golden(kernel_scan<T>(p.sizes, p.in), p.want, tolerance);
}

TEST(GoldenSelectiveScan, F64) {
  for_each_golden_group("selective_scan.h5",
                        [](const GoldenGroup& g) { return check<double>(g, kGoldenF64); });
}

TEST(GoldenSelectiveScan, F32) {
  for_each_golden_group("selective_scan.h5",
                        [](const GoldenGroup& g) { return check<float>(g, kGoldenF32); });
}

}  // namespace
}  // namespace krait
