#include "data/probes/associative_recall.h"

#include <cmath>
#include <map>

#include "tests/data/probes/probe_samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(AssociativeRecall, AsksForTheValueOfEachKeyOnce) {
  for (const RecallFiller filler : {RecallFiller::Zero, RecallFiller::Random}) {
    const AssociativeRecall probe({.length = 128, .n_pairs = 8, .filler = filler}, {.seed = 3});
    for (std::uint64_t i = 0; i < 200; ++i) {
      const Sample sample = probe.get(i);
      std::map<std::int32_t, std::int32_t> values;
      std::set<std::int32_t> different;
      for (std::size_t k = 0; k < 8; ++k) {
        const std::int32_t key = sample.inputs[2 * k], value = sample.inputs[2 * k + 1];
        ASSERT_TRUE(key >= 1 && key < 4096) << key;
        ASSERT_TRUE(value >= 4096 && value < 8192) << value;
        values[key] = value;
        different.insert(value);
      }
      ASSERT_EQ(values.size(), 8u);
      ASSERT_EQ(different.size(), 8u);
      const auto queries = counted(sample);
      ASSERT_EQ(queries.size(), 8u);
      std::set<std::int32_t> asked;
      for (const std::size_t place : queries) {
        ASSERT_TRUE(place >= 16 && place % 2 == 0);
        ASSERT_EQ(sample.targets[place], values.at(sample.inputs[place]));
        asked.insert(sample.inputs[place]);
      }
      ASSERT_EQ(asked.size(), 8u);
      const auto zeros = std::ranges::count(sample.inputs, 0);
      if (filler == RecallFiller::Zero) {
        ASSERT_EQ(zeros, 128 - 24);
      } else {
        ASSERT_LT(zeros, 4);
      }
    }
  }
}

// With one pair the place of its query has the probabilities of the weights.
TEST(AssociativeRecall, QueriesComeAtGapsOfAPowerLaw) {
  const AssociativeRecall probe({.length = 34, .n_pairs = 1, .power = 0.5}, {.seed = 5});
  constexpr std::size_t kPlaces = 16;
  constexpr int kSamples = 20000;
  std::vector<double> counts(kPlaces);
  for (std::uint64_t i = 0; i < kSamples; ++i) ++counts.at((counted(probe.get(i))[0] - 2) / 2);
  double total = 0;
  for (std::size_t i = 0; i < kPlaces; ++i) total += 1 / std::sqrt(static_cast<double>(i + 1));
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const double share = 1 / std::sqrt(static_cast<double>(i + 1)) / total;
    // four standard errors
    EXPECT_NEAR(counts[i] / kSamples, share, 4 * std::sqrt(share / kSamples)) << i;
  }
}

TEST(AssociativeRecall, IsAProbe) {
  expect_probe(
      [](const ProbeSamples& s) {
        return AssociativeRecall({.length = 64, .n_pairs = 16, .vocab_size = 64}, s);
      },
      200);
  expect_error(ErrorKind::BadConfig, {"length >= 4 n_pairs", "17, 64, 8192"},
               [] { AssociativeRecall({.length = 64, .n_pairs = 17}, {}); });
}

}  // namespace
}  // namespace krait
