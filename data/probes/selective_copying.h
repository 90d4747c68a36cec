// The probe of selection: copying what is not noise.
#pragma once
#include "data/probes/probe.h"

namespace krait {

/// Selective copying (Gu and Dao 2023, "Mamba", appendix E.1): tokens scattered in noise, to be
/// said in their order. A sample has `noise_length` ids, 0 except for `n_tokens` tokens of 1 to
/// vocab_size - 2 at random places, and then n_tokens markers, vocab_size - 1, whose targets are
/// the tokens.
class SelectiveCopying final : public Probe {
 public:
  struct Options {
    std::int64_t noise_length = 4096;
    std::int64_t n_tokens = 16;
    std::int64_t vocab_size = 16;
  };
  /// Throws BadConfig for impossible options.
  SelectiveCopying(const Options& options, const ProbeSamples& samples);

 private:
  void draw(ProbeDraws& draws, Sample& sample) const override;

  Options options_;
};

}  // namespace krait
