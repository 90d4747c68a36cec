// The probe of state tracking with one bit.
#pragma once
#include "data/probes/probe.h"

namespace krait {

/// Parity (Deletang et al. 2023, "Neural networks and the Chomsky hierarchy"; Grazzi et al. 2025,
/// "Unlocking state-tracking in linear RNNs through negative eigenvalues"): whether a number of
/// bits is odd. A sample has min_length to max_length bits, uniform, as ids 1 (bit 0) and 2 (bit
/// 1), then padding, 0. The target of the last bit is the sum of all modulo 2. Published runs train
/// on lengths 3 to 40 and test to 256.
class Parity final : public Probe {
 public:
  struct Options {
    std::int64_t min_length = 3, max_length = 40;
  };
  /// Throws BadConfig for impossible options.
  Parity(const Options& options, const ProbeSamples& samples);

 private:
  void draw(ProbeDraws& draws, Sample& sample) const override;

  Options options_;
};

}  // namespace krait
