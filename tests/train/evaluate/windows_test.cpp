#include "train/evaluate/windows.h"

#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"

namespace krait {
namespace {

using Protocol = PerplexityProtocol;
using Windows = std::vector<PerplexityWindow>;

/// (tokens of context, tokens scored) of each window, as lm-evaluation-harness' tests count them.
using Counts = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
Counts counts(const Windows& windows) {
  Counts result;
  for (const auto& w : windows) result.emplace_back(w.scored - w.begin, w.end - w.scored);
  return result;
}

Windows lm_eval(std::uint64_t length, std::uint64_t n) {
  return perplexity_windows({.protocol = Protocol::LmEval, .length = length}, n);
}

TEST(PerplexityWindows, LmEvalGivesTheHarnessVectors) {
  // Made with get_rolling_token_windows and make_disjoint_window of the original.
  EXPECT_EQ(counts(lm_eval(10, 34)), (Counts{{1, 10}, {1, 10}, {1, 10}, {7, 4}}));
  EXPECT_EQ(counts(lm_eval(10, 11)), (Counts{{1, 10}, {10, 1}}));
  EXPECT_EQ(counts(lm_eval(10, 30)), (Counts{{1, 10}, {1, 10}, {1, 10}}));
  EXPECT_EQ(counts(lm_eval(10, 10)), (Counts{{1, 10}}));
  EXPECT_EQ(counts(lm_eval(10, 3)), (Counts{{1, 3}}));
}

TEST(PerplexityWindows, SlidingWindowsHoldLengthTokensAndScoreTheNewOnes) {
  const PerplexityWindowing w{.protocol = Protocol::Sliding, .length = 6, .stride = 2};
  // x has 10 tokens: [0,6) [2,8) [4,10)
  EXPECT_EQ(perplexity_windows(w, 9), (Windows{{0, 1, 6}, {2, 6, 8}, {4, 8, 10}}));
  EXPECT_EQ(perplexity_windows(w, 6), (Windows{{0, 1, 6}, {2, 6, 7}}));
  EXPECT_EQ(perplexity_windows(w, 5), (Windows{{0, 1, 6}}));
  EXPECT_EQ(perplexity_windows(w, 1), (Windows{{0, 1, 2}}));
}

TEST(PerplexityWindows, BlocksAreDisjointAndOnlyDocumentsCarryState) {
  const PerplexityWindowing blocks{.protocol = Protocol::Blocks, .length = 4};
  EXPECT_EQ(perplexity_windows(blocks, 9), (Windows{{0, 1, 5}, {4, 5, 9}, {8, 9, 10}}));
  EXPECT_EQ(perplexity_windows(blocks, 8), (Windows{{0, 1, 5}, {4, 5, 9}}));
  const PerplexityWindowing document{.protocol = Protocol::Document, .length = 4};
  EXPECT_EQ(perplexity_windows(document, 9),
            (Windows{{0, 1, 5}, {4, 5, 9, true}, {8, 9, 10, true}}));
}

TEST(PerplexityWindows, DropLastCutsWholeBlocksFromTheFirstTokenOn) {
  // HazyResearch/safari cuts n tokens to ((n - 1) / L) L + 1; here n = 9 and 10, L = 4
  PerplexityWindowing blocks{.protocol = Protocol::Blocks, .length = 4, .drop_last = true};
  EXPECT_EQ(perplexity_windows(blocks, 9), (Windows{{1, 2, 6}, {5, 6, 10}}));
  EXPECT_EQ(perplexity_windows(blocks, 10), (Windows{{1, 2, 6}, {5, 6, 10}}));
  EXPECT_EQ(perplexity_windows(blocks, 8), (Windows{{1, 2, 6}}));
  EXPECT_TRUE(perplexity_windows(blocks, 4).empty());
  EXPECT_TRUE(perplexity_windows(blocks, 0).empty());
  blocks.protocol = Protocol::LmEval;
  EXPECT_THROW(perplexity_windows(blocks, 9), Error);
}

TEST(PerplexityWindows, EveryTokenIsScoredOnceWithContextAndWithinTheLength) {
  for (const Protocol protocol :
       {Protocol::Blocks, Protocol::Document, Protocol::Sliding, Protocol::LmEval}) {
    for (std::uint64_t length = 2; length < 9; ++length) {
      for (std::uint64_t stride = 1; stride < length; ++stride) {
        const std::uint64_t inputs = protocol == Protocol::Sliding ? length - 1 : length;
        for (std::uint64_t n = 0; n < 40; ++n) {
          std::uint64_t next = 1;
          for (const auto& w :
               perplexity_windows({.protocol = protocol, .length = length, .stride = stride}, n)) {
            ASSERT_EQ(w.scored, next);
            ASSERT_LT(w.begin, w.scored);
            ASSERT_LT(w.scored, w.end);
            ASSERT_LE(w.end - 1 - w.begin, inputs);
            next = w.end;
          }
          ASSERT_EQ(next, n + 1) << "n " << n << " length " << length << " stride " << stride;
        }
      }
    }
  }
}

TEST(PerplexityWindows, AStrideThatLeavesTokensOutIsAUsageError) {
  for (const std::uint64_t stride : {0, 8, 9}) {
    try {
      perplexity_windows({.protocol = Protocol::Sliding, .length = 8, .stride = stride}, 5);
      FAIL() << "stride " << stride << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage);
    }
  }
  EXPECT_THROW(lm_eval(0, 5), Error);
}

}  // namespace
}  // namespace krait
