#include "train/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace krait {
namespace {

using Logits = std::vector<double>;

/// How often each token is picked over `n` uniform numbers spread evenly over [0, 1).
std::map<std::int32_t, double> frequencies(const Logits& logits, const SamplingOptions& options,
                                           int n = 10000) {
  std::map<std::int32_t, double> result;
  for (int i = 0; i < n; ++i) result[sample_token(logits, options, (i + 0.5) / n)] += 1.0 / n;
  return result;
}

std::set<std::int32_t> picked(const Logits& logits, const SamplingOptions& options) {
  std::set<std::int32_t> result;
  for (const auto& [token, frequency] : frequencies(logits, options, 2000)) result.insert(token);
  return result;
}

TEST(SampleToken, TemperatureZeroTakesTheLargestLogitAndTheFirstOfEquals) {
  for (const double uniform : {0.0, 0.5, 0.999}) {
    EXPECT_EQ(sample_token(Logits{1, 5, 3, 5}, {.temperature = 0}, uniform), 1);
    EXPECT_EQ(sample_token(Logits{-7}, {.temperature = 0, .top_k = 9, .top_p = 0.1}, uniform), 0);
  }
}

TEST(SampleToken, FrequenciesAreTheSoftmaxAtTheTemperature) {
  const Logits logits{0.3, -1.2, 2.0, 0.3, -40};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    double sum = 0;
    for (const double s : logits) sum += std::exp(s / temperature);
    auto counted = frequencies(logits, {.temperature = temperature});
    for (std::size_t i = 0; i < logits.size(); ++i) {
      // each of the 10000 cells is picked as one
      EXPECT_NEAR(counted[static_cast<std::int32_t>(i)], std::exp(logits[i] / temperature) / sum,
                  2e-4);
    }
  }
}

TEST(SampleToken, TopKKeepsTheMostLikelyAndTheLowerIdsOfEquals) {
  const Logits logits{1, 3, 2, 3, 2, 2};
  EXPECT_EQ(picked(logits, {.top_k = 1}), (std::set<std::int32_t>{1}));
  EXPECT_EQ(picked(logits, {.top_k = 2}), (std::set<std::int32_t>{1, 3}));
  EXPECT_EQ(picked(logits, {.top_k = 4}), (std::set<std::int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(picked(logits, {.top_k = 6}).size(), 6u);
  EXPECT_EQ(picked(logits, {.top_k = 1000}).size(), 6u);
  EXPECT_EQ(picked(logits, {.top_k = 0}).size(), 6u);
  // what is left is normalised
  EXPECT_NEAR(frequencies(logits, {.top_k = 2})[3], 0.5, 2e-4);
}

TEST(SampleToken, TopPKeepsTheTokenThatCrossesIt) {
  const Logits logits{std::log(0.15), std::log(0.5), std::log(0.05), std::log(0.3)};
  EXPECT_EQ(picked(logits, {.top_p = 0.4}), (std::set<std::int32_t>{1}));
  EXPECT_EQ(picked(logits, {.top_p = 0.51}), (std::set<std::int32_t>{1, 3}));
  EXPECT_EQ(picked(logits, {.top_p = 0.79}), (std::set<std::int32_t>{1, 3}));
  EXPECT_EQ(picked(logits, {.top_p = 0.81}), (std::set<std::int32_t>{0, 1, 3}));
  EXPECT_EQ(picked(logits, {.top_p = 1}), (std::set<std::int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(picked(logits, {.top_p = 1e-9}), (std::set<std::int32_t>{1}));
  EXPECT_NEAR(frequencies(logits, {.top_p = 0.79})[1], 0.5 / 0.8, 2e-4);
  // equal logits: the lower ids come first
  EXPECT_EQ(picked(Logits{0, 0, 0, 0}, {.top_p = 0.45}), (std::set<std::int32_t>{0, 1}));
}

TEST(SampleToken, TopPCountsTheProbabilityAfterTemperatureAndTopK) {
  const Logits logits{std::log(0.4), std::log(0.3), std::log(0.2), std::log(0.1)};
  // of the two that top_k leaves, the first has 4/7
  EXPECT_EQ(picked(logits, {.top_k = 2, .top_p = 0.55}), (std::set<std::int32_t>{0}));
  EXPECT_EQ(picked(logits, {.top_k = 2, .top_p = 0.6}), (std::set<std::int32_t>{0, 1}));
  // at temperature 1/2 the squares count: 16, 9, 4, 1 of 30
  EXPECT_EQ(picked(logits, {.temperature = 0.5, .top_p = 0.53}), (std::set<std::int32_t>{0}));
}

TEST(SampleToken, MinPKeepsWhatIsNotMuchLessLikelyThanTheFirst) {
  const Logits logits{std::log(0.4), std::log(0.3), std::log(0.2), std::log(0.1)};
  EXPECT_EQ(picked(logits, {.min_p = 0.7}), (std::set<std::int32_t>{0, 1}));
  EXPECT_EQ(picked(logits, {.min_p = 0.3}), (std::set<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(picked(logits, {.min_p = 1}), (std::set<std::int32_t>{0}));
  // at temperature 1/2 the squares count: 16, 9, 4, 1
  EXPECT_EQ(picked(logits, {.temperature = 0.5, .min_p = 0.5}), (std::set<std::int32_t>{0, 1}));
  EXPECT_NEAR(frequencies(logits, {.min_p = 0.7})[1], 0.3 / 0.7, 2e-4);
  // top_p counts before: 0.4 and 0.3 of 1
  EXPECT_EQ(picked(logits, {.top_p = 0.65, .min_p = 0.2}), (std::set<std::int32_t>{0, 1}));
}

TEST(PenaliseRepetition, ScalesTheLogitsOfWhatWasSeenTowardsLess) {
  Logits logits{2, -2, 2, -2, 0};
  penalise_repetition(logits, {true, true, false, false, true}, 4);
  EXPECT_EQ(logits, (Logits{0.5, -8, 2, -2, 0}));
}

TEST(SampleToken, ExtremeLogitsAndTemperaturesStayFinite) {
  const Logits logits{1e300, -1e300, 1e300};
  EXPECT_EQ(picked(logits, {}), (std::set<std::int32_t>{0, 2}));
  EXPECT_EQ(picked(logits, {.temperature = 1e-300}), (std::set<std::int32_t>{0, 2}));
  EXPECT_EQ(picked({5, 4}, {.temperature = 1e-300}), (std::set<std::int32_t>{0}));
  EXPECT_EQ(picked({5, 4}, {.temperature = 1e300}), (std::set<std::int32_t>{0, 1}));
  // the largest uniform number picks a token of positive probability
  EXPECT_EQ(sample_token(Logits{0, 0, -1e9}, {}, std::nextafter(1.0, 0.0)), 1);
}

TEST(SampleToken, AgreesWithASortOfAllTokensOnRandomLogits) {
  const RandomStream random{.seed = 3};
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Logits logits(37);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] = std::round(8 * random.uniform(trial * 100 + i)) / 2;  // many are equal
    }
    const std::int64_t top_k = static_cast<std::int64_t>(trial % 39);
    const double top_p = trial % 3 == 0 ? 1 : 0.05 + 0.9 * random.uniform(trial * 100 + 50);
    std::vector<std::int32_t> order(logits.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    std::ranges::stable_sort(order, [&](auto a, auto b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    if (top_k > 0 && top_k < 37) order.resize(static_cast<std::size_t>(top_k));
    double total = 0, reached = 0;
    for (const auto id : order) total += std::exp(logits[static_cast<std::size_t>(id)]);
    std::set<std::int32_t> expected;
    for (const auto id : order) {
      if (reached >= top_p * total) break;
      expected.insert(id);
      reached += std::exp(logits[static_cast<std::size_t>(id)]);
    }
    EXPECT_EQ(picked(logits, {.top_k = top_k, .top_p = top_p}), expected) << "trial " << trial;
  }
}

TEST(SampleToken, RefusesOptionsOutOfRangeAndLogitsThatAreNotNumbers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const SamplingOptions& bad :
       {SamplingOptions{.temperature = -1}, SamplingOptions{.temperature = nan},
        SamplingOptions{.top_k = -1}, SamplingOptions{.top_p = 0}, SamplingOptions{.top_p = 1.1},
        SamplingOptions{.top_p = nan}, SamplingOptions{.min_p = -0.1},
        SamplingOptions{.min_p = 1.5}, SamplingOptions{.repetition_penalty = 0},
        SamplingOptions{.repetition_penalty = nan}}) {
    try {
      sample_token(Logits{0, 1}, bad, 0);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage);
    }
  }
  for (const double bad : {nan, std::numeric_limits<double>::infinity()}) {
    try {
      sample_token(Logits{0, bad}, {.temperature = 0}, 0);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::NonFinite);
    }
  }
}

}  // namespace
}  // namespace krait
