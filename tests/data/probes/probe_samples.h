// What every probe promises.
#pragma once
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "core/target.h"
#include "data/probes/probe.h"

namespace krait {

/// The places of the targets that count.
inline std::vector<std::size_t> counted(const Sample& sample) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < sample.targets.size(); ++i) {
    if (sample.targets[i] != kIgnoreIndex) places.push_back(i);
  }
  return places;
}

/// Checks ids, targets and lengths of samples 0 to `count` - 1, that they differ, and that they
/// depend on the seed and the index alone. `make` makes the probe for given ProbeSamples.
template <class Make>
void expect_probe(Make&& make, std::uint64_t count) {
  const auto probe = make(ProbeSamples{.seed = 1, .size = count});
  const auto later = make(ProbeSamples{.seed = 1, .first = 2, .size = count});
  const auto other = make(ProbeSamples{.seed = 2});
  std::set<std::vector<std::int32_t>> seen;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sample sample = probe.get(i);
    ASSERT_EQ(std::ssize(sample.inputs), probe.shape().length);
    ASSERT_EQ(std::ssize(sample.targets), probe.shape().length);
    for (const std::int32_t id : sample.inputs) {
      ASSERT_TRUE(id >= 0 && id < probe.shape().vocab_size) << id;
    }
    ASSERT_FALSE(counted(sample).empty());
    for (const std::size_t place : counted(sample)) {
      const std::int32_t target = sample.targets[place];
      ASSERT_TRUE(target >= 0 && target < probe.shape().n_classes) << target;
    }
    seen.insert(sample.inputs);
    if (i < 2) continue;
    ASSERT_EQ(later.get(i - 2).inputs, sample.inputs);
  }
  EXPECT_GT(seen.size(), count * 9 / 10);
  EXPECT_NE(other.get(0).inputs, probe.get(0).inputs);
  EXPECT_EQ(probe.get(1).inputs, probe.get(1).inputs);
}

}  // namespace krait
