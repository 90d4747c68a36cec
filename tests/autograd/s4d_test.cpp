// Every input of S4D against central differences in f64, with an uneven loss.
#include "autograd/operations/s4d.h"

#include <gtest/gtest.h>

#include "autograd/gradient_check.h"
#include "tests/support/random_tensor.h"

namespace krait {
namespace {

void expect_gradients(const std::function<std::vector<Variable>()>& f,
                      const std::vector<Variable>& inputs) {
  const GradientCheck check = check_gradients(f, inputs);
  EXPECT_GT(check.elements, 0);
  // Differences with step 1e-6 are good to about 1e-9 on values near 1; sums over some dozen terms
  // leave a margin of ten.
  EXPECT_LT(check.worst, 1e-8) << check.where;
}

struct S4dLeaves {
  Variable u, dt, A_real, A_imag, C_real, C_imag, D, z, state;
  explicit S4dLeaves(bool complex)
      : u(random_leaf({2, 5, 4}, 41)),
        dt(random_leaf({4}, 42, {0.05, 1})),
        A_real(random_leaf({4, 3}, 43, {-1.5, -0.1})),
        C_real(random_leaf({4, 3}, 44)),
        D(random_leaf({4}, 45)),
        z(random_leaf({2, 5, 4}, 46)),
        state(random_leaf(complex ? Shape{2, 4, 3, 2} : Shape{2, 4, 3}, 47)) {
    if (!complex) return;
    A_imag = random_leaf({4, 3}, 48, {-4, 4});
    C_imag = random_leaf({4, 3}, 49);
  }
};

TEST(S4dGradients, MatchCentralDifferencesInEveryInputThroughBothOutputs) {
  const Tensor ids = Tensor::from<std::int32_t>({2, 5}, {0, 0, 1, 1, 2, 5, 5, 5, 5, 5});
  for (const bool complex : {false, true}) {
    for (const bool packed : {false, true}) {
      const S4dLeaves s(complex);
      const auto f = [&] {
        const auto out = s4d({.u = s.u,
                              .dt = s.dt,
                              .A_real = s.A_real,
                              .A_imag = s.A_imag,
                              .C_real = s.C_real,
                              .C_imag = s.C_imag,
                              .D = s.D,
                              .z = s.z,
                              .initial_state = s.state,
                              .sequence_ids = packed ? ids : Tensor(),
                              .want_final_state = true});
        return std::vector{out.y, out.final_state};
      };
      std::vector<Variable> inputs{s.u, s.dt, s.A_real, s.C_real, s.D, s.z, s.state};
      if (complex) inputs.insert(inputs.end(), {s.A_imag, s.C_imag});
      expect_gradients(f, inputs);
    }
  }
}

TEST(S4dGradients, MatchCentralDifferencesWithoutOptionalInputs) {
  const S4dLeaves s(true);
  const auto f = [&] {
    return std::vector{s4d({.u = s.u,
                            .dt = s.dt,
                            .A_real = s.A_real,
                            .A_imag = s.A_imag,
                            .C_real = s.C_real,
                            .C_imag = s.C_imag})
                           .y};
  };
  expect_gradients(f, {s.u, s.dt, s.A_real, s.A_imag, s.C_real, s.C_imag});
}

}  // namespace
}  // namespace krait
