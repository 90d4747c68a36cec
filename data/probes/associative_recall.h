// The probe of recall: values of keys.
#pragma once
#include "data/probes/probe.h"

namespace krait {

/// What stands where no query does.
enum class RecallFiller : std::uint8_t { Zero, Random };

/// Multi-query associative recall (Arora et al. 2023, "Zoology"). A sample begins with `n_pairs`
/// pairs of a key and its value; later each key comes once more, and the target there is its value.
/// Keys are different ones of 1 to vocab_size / 2 - 1, values different ones of vocab_size / 2 on.
/// Behind the pairs, which of the places 0, 2, 4, ... have the keys is drawn without replacement by
/// the weights (i + 1)^(power - 1) of place 2 i: so most gaps are short.
///
/// Zoology takes n_pairs 4 to 64 for length 64 to 256 and zeros or random filler; Dao and Gu 2024
/// ("Mamba-2", appendix D.1) a quarter of the length, which is the most, and random filler.
class AssociativeRecall final : public Probe {
 public:
  struct Options {
    std::int64_t length = 256;
    std::int64_t n_pairs = 16;
    std::int64_t vocab_size = 8192;
    double power = 0.01;
    RecallFiller filler = RecallFiller::Random;  // uniform in [0, vocab_size)
  };
  /// Throws BadConfig for impossible options.
  AssociativeRecall(const Options& options, const ProbeSamples& samples);

 private:
  void draw(ProbeDraws& draws, Sample& sample) const override;
  std::vector<std::size_t> query_places(ProbeDraws& draws) const;

  Options options_;
  std::vector<double> weights_;
};

}  // namespace krait
