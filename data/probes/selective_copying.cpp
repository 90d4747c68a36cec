#include "data/probes/selective_copying.h"

#include <algorithm>

#include "core/error.h"

namespace krait {

SelectiveCopying::SelectiveCopying(const Options& options, const ProbeSamples& samples)
    : Probe("selective copying",
            {.vocab_size = options.vocab_size,
             .n_classes = options.vocab_size - 1,
             .length = options.noise_length + options.n_tokens},
            samples),
      options_(options) {
  KRAIT_CHECK(
      BadConfig,
      options.n_tokens >= 1 && options.noise_length >= options.n_tokens &&
          options.noise_length < std::int64_t{1} << 23 && options.vocab_size >= 3,
      "selective copying needs 1 <= n_tokens <= noise_length < 2^23 and vocab_size >= 3, got ",
      options.n_tokens, ", ", options.noise_length, " and ", options.vocab_size, ".");
}

void SelectiveCopying::draw(ProbeDraws& draws, Sample& sample) const {
  std::vector<std::int32_t> places = draws.different(options_.n_tokens, options_.noise_length);
  std::ranges::sort(places);
  auto marker = static_cast<std::size_t>(options_.noise_length);
  for (const std::int32_t place : places) {
    const std::int32_t token = 1 + draws.below(options_.vocab_size - 2);
    sample.inputs[static_cast<std::size_t>(place)] = token;
    sample.inputs[marker] = static_cast<std::int32_t>(options_.vocab_size - 1);
    sample.targets[marker++] = token;
  }
}

}  // namespace krait
