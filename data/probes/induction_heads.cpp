#include "data/probes/induction_heads.h"

#include "core/error.h"

namespace krait {

InductionHeads::InductionHeads(const Options& options, const ProbeSamples& samples)
    : Probe("induction heads",
            {.vocab_size = options.vocab_size,
             .n_classes = options.vocab_size - 1,
             .length = options.length},
            samples),
      options_(options) {
  KRAIT_CHECK(
      BadConfig,
      options.length >= 3 && options.length < std::int64_t{1} << 23 && options.vocab_size >= 2,
      "induction heads needs 3 <= length < 2^23 and vocab_size >= 2, got ", options.length, " and ",
      options.vocab_size, ".");
}

void InductionHeads::draw(ProbeDraws& draws, Sample& sample) const {
  const auto marker = static_cast<std::int32_t>(options_.vocab_size - 1);
  const auto place = static_cast<std::size_t>(draws.below(options_.length - 2));
  for (std::int32_t& id : sample.inputs) id = draws.below(options_.vocab_size - 1);
  sample.inputs[place] = marker;
  sample.inputs.back() = marker;
  sample.targets.back() = sample.inputs[place + 1];
}

}  // namespace krait
