// The probe of copying by context.
#pragma once
#include "data/probes/probe.h"

namespace krait {

/// Induction heads (Olsson et al. 2022; Gu and Dao 2023, "Mamba", section 4.1.2): what came behind
/// the marker last time comes behind it again. A sample is of random tokens 0 to vocab_size - 2,
/// with the marker, vocab_size - 1, at one random place and at the end, whose target is the token
/// behind the first marker.
class InductionHeads final : public Probe {
 public:
  struct Options {
    std::int64_t length = 256;
    std::int64_t vocab_size = 16;
  };
  /// Throws BadConfig for impossible options.
  InductionHeads(const Options& options, const ProbeSamples& samples);

 private:
  void draw(ProbeDraws& draws, Sample& sample) const override;

  Options options_;
};

}  // namespace krait
