#include "train/evaluate/window_scorer.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "core/target.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_model.h"

namespace krait {
namespace {

using Groups = std::vector<WindowGroup>;

/// Windows of the given numbers of inputs; those below zero carry state.
std::vector<PerplexityWindow> windows_of(const std::vector<int>& inputs) {
  std::vector<PerplexityWindow> windows;
  std::uint64_t begin = 0;
  for (const int n : inputs) {
    const auto length = static_cast<std::uint64_t>(std::abs(n));
    windows.push_back(
        {.begin = begin, .scored = begin + 1, .end = begin + length + 1, .carries = n < 0});
    begin += length;
  }
  return windows;
}

TEST(WindowScorer, GroupsWindowsOfLikeLengthAsManyAsFit) {
  const auto windows = windows_of({3, 8, 1, 8, 2, 5});
  EXPECT_EQ(window_groups(windows, 0),
            (Groups{{{0, 1}}, {{1, 1}}, {{2, 1}}, {{3, 1}}, {{4, 1}}, {{5, 1}}}));
  EXPECT_EQ(window_groups(windows, 16),
            (Groups{{{1, 1}, {3, 1}}, {{5, 1}, {0, 1}, {4, 1}}, {{2, 1}}}));
  EXPECT_EQ(window_groups(windows, 1),
            (Groups{{{1, 1}}, {{3, 1}}, {{5, 1}}, {{0, 1}}, {{4, 1}}, {{2, 1}}}));
  EXPECT_TRUE(window_groups({}, 16).empty());
}

TEST(WindowScorer, ChainsStayTogetherTheLongestFirst) {
  const auto windows = windows_of({4, -1, 4, -4, -2, 3, 4, -3});
  EXPECT_EQ(window_groups(windows, 100), (Groups{{{2, 3}, {6, 2}, {0, 2}, {5, 1}}}));
  EXPECT_EQ(window_groups(windows, 12), (Groups{{{2, 3}, {6, 2}, {0, 2}}, {{5, 1}}}));
  EXPECT_EQ(window_groups(windows, 0), (Groups{{{0, 2}}, {{2, 3}}, {{5, 1}}, {{6, 2}}}));
  EXPECT_THROW(window_groups(windows_of({-1, 2}), 0), Error);
}

/// Windows over random tokens and a model for them.
class ScoreWindows : public ::testing::Test {
 protected:
  ScoreWindows() : model_(tiny_config(DType::F64)), x_(random_tokens(200, 18, 3)) {
    initialise_tiny(model_);
  }
  WindowTokens read(const PerplexityWindow& w) const {
    const auto at = [&](std::uint64_t i) { return x_.begin() + static_cast<std::ptrdiff_t>(i); };
    return {.tokens = {at(w.begin), at(w.end)}, .targets = {at(w.scored), at(w.end)}};
  }
  struct Found {
    std::vector<double> losses;
    std::vector<std::uint8_t> correct;
  };
  std::map<std::size_t, Found> score(const std::vector<PerplexityWindow>& windows,
                                     std::int64_t forward_tokens) const {
    std::map<std::size_t, Found> found;
    score_windows(
        model_,
        {.windows = windows,
         .read = [this](const PerplexityWindow& w) { return read(w); },
         .visit =
             [&](const WindowLosses& l) {
               EXPECT_TRUE(std::ranges::equal(l.targets, read(windows[l.window]).targets));
               const bool first =
                   found
                       .try_emplace(l.window, Found{{l.losses.begin(), l.losses.end()},
                                                    {l.correct.begin(), l.correct.end()}})
                       .second;
               EXPECT_TRUE(first) << l.window;
             }},
        {.forward_tokens = forward_tokens});
    return found;
  }
  LanguageModel model_;
  std::vector<std::int32_t> x_;
};

TEST_F(ScoreWindows, EachTargetIsPredictedFromItsOwnContext) {
  // contexts of many lengths, some of which are context only
  const std::vector<PerplexityWindow> windows{
      {0, 1, 20}, {20, 35, 41}, {41, 42, 44}, {50, 60, 61}, {61, 70, 81}};
  for (const std::int64_t tokens : {0, 45, 1000}) {
    const auto found = score(windows, tokens);
    ASSERT_EQ(found.size(), windows.size());
    std::size_t likeliest = 0;
    for (const auto& [i, f] : found) {
      const PerplexityWindow& w = windows[i];
      ASSERT_EQ(f.losses.size(), w.end - w.scored);
      for (std::uint64_t t = w.scored; t < w.end; ++t) {
        const auto p = next_log_probabilities(model_, std::span(x_).subspan(w.begin, t - w.begin));
        const auto target = static_cast<std::size_t>(x_[t]);
        EXPECT_NEAR(f.losses[t - w.scored], -p[target], 1e-12);
        const bool best = std::ranges::max_element(p) - p.begin() == x_[t];
        EXPECT_EQ(f.correct[t - w.scored], best ? 1 : 0);
        likeliest += best;
      }
    }
    EXPECT_GT(likeliest, 0u);  // so that both outcomes were seen
  }
}

TEST_F(ScoreWindows, StateGoesOnInTheRowOfEachChain) {
  const auto windows = windows_of({8, -8, -3, 8, 8, -5, 2});
  const auto found = score(windows, 1000);
  std::uint64_t begin = 0;  // of the chain
  for (const auto& [i, f] : found) {
    const PerplexityWindow& w = windows[i];
    if (!w.carries) begin = w.begin;
    for (std::uint64_t t = w.scored; t < w.end; ++t) {
      const auto p = next_log_probabilities(model_, std::span(x_).subspan(begin, t - begin));
      EXPECT_NEAR(f.losses[t - w.scored], -p[static_cast<std::size_t>(x_[t])], 1e-12);
    }
  }
}

TEST_F(ScoreWindows, AWindowThatPassesItsStateOnMustFillItsRow) {
  expect_error(ErrorKind::Contract, {"one length"}, [&] {
    score(windows_of({8, -4, 5, -8}), 1000);
  });
}

}  // namespace
}  // namespace krait
