#include "autograd/operations/diagonal_scan.h"

#include <gtest/gtest.h>

#include "autograd/gradient_check.h"
#include "autograd/operations/elementwise.h"
#include "tests/support/random_tensor.h"

namespace krait {
namespace {

TEST(DiagonalScanGradients, AgreeWithDifferencesInEveryForm) {
  const std::int64_t b = 2, l = 7, p = 3;
  const Tensor ids = Tensor::from<std::int32_t>({b, l}, {0, 0, 0, 1, 1, 1, 1, 5, 5, 2, 2, 2, 9, 9});
  for (const bool selected : {false, true}) {
    for (const DiagonalPhase phase : {DiagonalPhase::Scaled, DiagonalPhase::Fixed}) {
      for (const bool reverse : {false, true}) {
        const Variable x = random_leaf({b, l, 2 * p}, 1), initial = random_leaf({b, 2 * p}, 2);
        const Variable delta = random_leaf(selected ? Shape{b, l, p} : Shape{p}, 3, {0.1, 0.9});
        const Variable A_real = random_leaf({p}, 4, {-2, -0.2}),
                       A_imag = random_leaf({p}, 5, {-3, 3});
        const auto run = [&] {
          const DiagonalScanOutputs out = diagonal_scan({.x = x,
                                                         .delta = delta,
                                                         .A_real = A_real,
                                                         .A_imag = A_imag,
                                                         .phase = phase,
                                                         .reverse = reverse,
                                                         .initial_state = initial,
                                                         .sequence_ids = ids,
                                                         .want_final_state = true});
          return std::vector{out.h * out.h, out.final_state};
        };
        const GradientCheck check = check_gradients(run, {x, delta, A_real, A_imag, initial});
        EXPECT_LT(check.worst, 1e-7) << check.where;
        EXPECT_GT(check.elements, 60);
      }
    }
  }
}

}  // namespace
}  // namespace krait
