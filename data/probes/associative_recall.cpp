#include "data/probes/associative_recall.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace krait {

AssociativeRecall::AssociativeRecall(const Options& o, const ProbeSamples& samples)
    : Probe("associative recall",
            {.vocab_size = o.vocab_size, .n_classes = o.vocab_size, .length = o.length}, samples),
      options_(o) {
  KRAIT_CHECK(BadConfig,
              o.n_pairs >= 1 && o.length % 2 == 0 && 4 * o.n_pairs <= o.length &&
                  o.length < std::int64_t{1} << 22 && o.n_pairs < o.vocab_size / 2 && o.power > 0,
              "associative recall needs n_pairs >= 1, an even length >= 4 n_pairs, vocab_size > 2 "
              "n_pairs + 1 and power > 0, got ",
              o.n_pairs, ", ", o.length, ", ", o.vocab_size, " and ", o.power, ".");
  for (std::int64_t i = 0; i < o.length / 2 - o.n_pairs; ++i) {
    weights_.push_back(std::pow(static_cast<double>(i + 1), o.power - 1));
  }
}

/// Drawn one after the other without replacement: in the order of exponential waiting times
/// (Efraimidis and Spirakis 2006).
std::vector<std::size_t> AssociativeRecall::query_places(ProbeDraws& draws) const {
  std::vector<std::pair<double, std::size_t>> waits;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    waits.emplace_back(-std::log(draws.uniform()) / weights_[i], i);
  }
  const auto end = waits.begin() + options_.n_pairs;
  std::ranges::partial_sort(waits, end);
  std::vector<std::size_t> places;
  for (auto wait = waits.begin(); wait != end; ++wait) places.push_back(2 * wait->second);
  return places;
}

void AssociativeRecall::draw(ProbeDraws& draws, Sample& sample) const {
  const std::int64_t half = options_.vocab_size / 2;
  const auto keys = draws.different(options_.n_pairs, half - 1);
  const auto values = draws.different(options_.n_pairs, options_.vocab_size - half);
  const std::vector<std::size_t> places = query_places(draws);
  const std::size_t pairs_end = 2 * keys.size();
  if (options_.filler == RecallFiller::Random) {
    for (std::size_t i = pairs_end; i < sample.inputs.size(); ++i) {
      sample.inputs[i] = draws.below(options_.vocab_size);
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::int32_t key = 1 + keys[i], value = static_cast<std::int32_t>(half) + values[i];
    sample.inputs[2 * i] = key;
    sample.inputs[2 * i + 1] = value;
    sample.inputs[pairs_end + places[i]] = key;
    sample.targets[pairs_end + places[i]] = value;
  }
}

}  // namespace krait
