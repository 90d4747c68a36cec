// The probe of arithmetic: values of expressions modulo 5.
#pragma once
#include "data/probes/probe.h"

namespace krait {

/// With Brackets every operation stands in its own; without, times goes before plus and minus.
enum class ArithmeticForm : std::uint8_t { Plain, Brackets };

/// Modular arithmetic (Deletang et al. 2023, "Neural networks and the Chomsky hierarchy"): the
/// value of an expression modulo 5. A sample is an expression, then "=", whose target is the value,
/// then padding. With "=" it has min_length to max_length ids, uniform.
///
/// Plain: digits and operators in turn, all uniform, as in "2 * 3 - 4 ="; so the number of ids is
/// even, and one is rounded down. Brackets: of n ids, for n = 1 to 4, a digit d, -d, (d) or (-d),
/// and for larger n (left op right), with a uniform operator and the length of left uniform in 1 to
/// n - 4.
///
/// Ids: 0 padding, 1 to 5 the digits 0 to 4, then + - * ( ) =.
class ModularArithmetic final : public Probe {
 public:
  enum Id : std::int32_t { kDigit = 1, kPlus = 6, kMinus, kTimes, kOpen, kClose, kEquals };
  static constexpr std::int32_t kModulus = 5;

  struct Options {
    ArithmeticForm form = ArithmeticForm::Plain;
    std::int64_t min_length = 3, max_length = 40;
  };
  /// Throws BadConfig for impossible options.
  ModularArithmetic(const Options& options, const ProbeSamples& samples);

 private:
  void draw(ProbeDraws& draws, Sample& sample) const override;

  Options options_;
};

}  // namespace krait
