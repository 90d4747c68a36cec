#include "data/probes/probe.h"

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "core/target.h"

namespace krait {

std::int32_t ProbeDraws::below(std::int64_t bound) {
  const std::uint64_t bits = stream_.bits64(next_++) >> 32;
  return static_cast<std::int32_t>((bits * static_cast<std::uint64_t>(bound)) >> 32);
}

double ProbeDraws::uniform() {
  return 1 - stream_.uniform(next_++);
}

std::vector<std::int32_t> ProbeDraws::different(std::int64_t count, std::int64_t bound) {
  KRAIT_REQUIRE(count <= bound, "[ProbeDraws] there are no ", count, " different numbers below ",
                bound, ".");
  std::vector<std::int32_t> numbers;
  std::unordered_set<std::int32_t> seen;
  while (std::ssize(numbers) < count) {
    const std::int32_t number = below(bound);
    if (seen.insert(number).second) numbers.push_back(number);
  }
  return numbers;
}

Probe::Probe(std::string_view name, const Shape& shape, const ProbeSamples& samples)
    : shape_(shape),
      stream_{.seed = samples.seed, .purpose = RandomPurpose::Sample, .stream = stream_of(name)},
      samples_(samples) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << (64 - ProbeDraws::kBits);
  KRAIT_REQUIRE(samples.size >= 1 && samples.first < kMost && samples.size <= kMost - samples.first,
                "[Probe] samples ", samples.first, " to ", samples.first + samples.size,
                " must be some, below 2^40.");
}

Sample Probe::get(std::uint64_t index) const {
  KRAIT_REQUIRE(index < size(), "[Probe] index ", index, " must be < ", size(), ".");
  const auto length = static_cast<std::size_t>(shape_.length);
  Sample sample{.inputs = std::vector<std::int32_t>(length),
                .targets = std::vector<std::int32_t>(length, kIgnoreIndex)};
  ProbeDraws draws(stream_, samples_.first + index);
  draw(draws, sample);
  return sample;
}

}  // namespace krait
