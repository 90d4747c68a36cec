// The parameters of a mode against integrals: (e^x - 1) / A is that of e^(A s) over [0, dt].
#include "kernels/s4d/modes.h"

#include <complex>
#include <vector>

#include <gtest/gtest.h>

namespace krait::modes {
namespace {

using Exact = std::complex<long double>;

/// Simpson's rule over [0, end] for f(s).
template <class F>
Exact integral(long double end, F&& f) {
  constexpr int kPieces = 40000;
  Exact sum = f(0.0L) + f(end);
  for (int i = 1; i < kPieces; ++i) {
    sum += static_cast<long double>(i % 2 == 0 ? 2 : 4) * f(end * i / kPieces);
  }
  return sum * (end / (3 * kPieces));
}

Exact exact(const Parameter& x) {
  return {x.re, x.im};
}

void expect_near(const Parameter& got, const Exact& want, const char* what) {
  EXPECT_LE(std::abs(exact(got) - want), 4e-15L * std::abs(want)) << what;
}

const std::vector<Parameter> kSpeeds = {{0, 0},       {-1e-200, 0},  {-1e-30, 1e-30}, {0, 1e-12},
                                        {-1e-9, 0},   {-1e-6, 1e-5}, {-1e-3, 1e-3},   {-0.1, 0.3},
                                        {-0.49, 0},   {-0.51, 0},    {-0.3, -0.4},    {-0.35, 0.4},
                                        {-0.5, 3.14}, {-2, -6.283},  {-0.05, 12},     {-10, 0.01}};

TEST(S4dModes, ParametersKeepTheirDigitsAtEverySpeed) {
  for (const Parameter& A : kSpeeds) {
    for (const double dt : {0.01, 1.0}) {
      SCOPED_TRACE(::testing::Message() << "A " << A.re << " " << A.im << ", dt " << dt);
      const Mode mode{.dt = dt, .A = A, .C = {0.7, -1.3}, .weight = 2};
      const Parameter decay = mode.decay_minus_one();
      const Exact a = exact(A), C{0.7, -1.3};
      const Exact factor = integral(dt, [&](long double s) { return std::exp(a * s); });
      expect_near(decay, a * factor, "a - 1");
      expect_near(mode.input_factor(decay), factor, "factor");
      expect_near(mode.gain(decay), 2.0L * C * factor, "K");
    }
  }
}

TEST(S4dModes, GradientsKeepTheirDigitsAtEverySpeed) {
  const Parameter ddecay{0.4, -0.9}, dgain{-1.7, 0.6};
  for (const Parameter& A : kSpeeds) {
    for (const double dt : {0.01, 1.0}) {
      SCOPED_TRACE(::testing::Message() << "A " << A.re << " " << A.im << ", dt " << dt);
      const Mode mode{.dt = dt, .A = A, .C = {0.7, -1.3}, .weight = 2};
      const Mode::Gradients got = mode.gradients(mode.decay_minus_one(), ddecay, dgain);
      const Exact A_exact = exact(A), C{0.7, -1.3}, da = exact(ddecay), dK = exact(dgain);
      const long double step = dt;
      const Exact a = std::exp(step * A_exact);
      const Exact factor = integral(dt, [&](long double s) { return std::exp(A_exact * s); });
      const Exact by_A = integral(dt, [&](long double s) { return s * std::exp(A_exact * s); });
      const Exact dfactor = std::conj(2.0L * C) * dK;
      expect_near(got.C, std::conj(2.0L * factor) * dK, "dC");
      expect_near(got.A, std::conj(step * a) * da + std::conj(by_A) * dfactor, "dA");
      const long double ddt = (std::conj(A_exact * a) * da + std::conj(a) * dfactor).real();
      // two terms that may cancel: relative to their size
      EXPECT_NEAR(got.dt, static_cast<double>(ddt), 1e-14 * (1 + std::abs(A_exact))) << "ddt";
    }
  }
}

}  // namespace
}  // namespace krait::modes
