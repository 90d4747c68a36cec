#include "data/probes/parity.h"

#include "core/error.h"

namespace krait {

Parity::Parity(const Options& options, const ProbeSamples& samples)
    : Probe("parity", {.vocab_size = 3, .n_classes = 2, .length = options.max_length}, samples),
      options_(options) {
  KRAIT_CHECK(BadConfig,
              options.min_length >= 1 && options.min_length <= options.max_length &&
                  options.max_length < std::int64_t{1} << 23,
              "parity needs 1 <= min_length <= max_length < 2^23, got ", options.min_length,
              " and ", options.max_length, ".");
}

void Parity::draw(ProbeDraws& draws, Sample& sample) const {
  const std::int64_t length =
      options_.min_length + draws.below(options_.max_length - options_.min_length + 1);
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int32_t bit = draws.below(2);
    sample.inputs[static_cast<std::size_t>(i)] = 1 + bit;
    sum ^= bit;
  }
  sample.targets[static_cast<std::size_t>(length - 1)] = sum;
}

}  // namespace krait
