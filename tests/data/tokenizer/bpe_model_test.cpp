#include "data/tokenizer/bpe_model.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

/// Letters a to h, and merges by the texts of their parts.
BpeVocabulary vocabulary(const std::vector<std::pair<std::string, std::string>>& merges) {
  BpeVocabulary v;
  std::map<std::string, std::int32_t> ids;
  const auto id_of = [&](const std::string& text) {
    const auto [found, is_new] = ids.try_emplace(text, static_cast<std::int32_t>(ids.size()));
    if (is_new) v.tokens.emplace_back(text, found->second);
    return found->second;
  };
  for (char c = 'a'; c <= 'h'; ++c) id_of(std::string(1, c));
  for (const auto& [left, right] : merges) {
    const std::int32_t l = id_of(left), r = id_of(right);
    v.merges.push_back({.left = l, .right = r, .result = id_of(left + right)});
  }
  return v;
}

/// The rule itself: the pair of the lowest rank, of those the leftmost.
Ids encode_by_rule(const BpeModel& model, std::string_view word) {
  Ids ids;
  for (const char c : word) {
    if (model.token_of(static_cast<std::uint8_t>(c)) >= 0) {
      ids.push_back(model.token_of(static_cast<std::uint8_t>(c)));
    }
  }
  for (;;) {
    BpeModel::Found best;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = model.find(ids[i], ids[i + 1]);
      if (found.rank < best.rank) best = found, at = i;
    }
    if (best.rank == BpeModel::kNoRank) return ids;
    ids[at] = best.result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

Ids encode(const BpeModel& model, std::string_view word) {
  Ids ids;
  BpeEncoder(model).encode(word, ids);
  return ids;
}

TEST(Bpe, MergesByRankThenFromTheLeft) {
  const BpeModel model(vocabulary({{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"a", "a"}}));
  EXPECT_EQ(encode(model, "abc"), encode_by_rule(model, "abc"));
  EXPECT_EQ(encode(model, "abc").size(), 1u);
  EXPECT_EQ(encode(model, "aaaab").size(), 3u);  // aa a ab: "a b" ranks before "a a"
  EXPECT_TRUE(encode(model, "").empty());
}

TEST(Bpe, AByteThatIsNotInTheVocabularyIsLeftOut) {
  const BpeModel model(vocabulary({{"a", "b"}}));
  EXPECT_EQ(encode(model, "a?b"), encode(model, "ab"));
  EXPECT_TRUE(encode(model, "???").empty());
}

TEST(Bpe, OfAPairThatIsThereTwiceTheLastCounts) {
  const BpeModel model(vocabulary({{"a", "b"}, {"b", "c"}, {"a", "b"}}));
  EXPECT_EQ(model.find(0, 1).rank, 2u);
  EXPECT_EQ(encode(model, "abc"), (Ids{0, model.find(1, 2).result}));
}

TEST(Bpe, AWholePreTokenIsTakenWhereMergesAreIgnored) {
  BpeVocabulary v = vocabulary({{"a", "b"}});
  v.tokens.emplace_back("abcd", 40);
  EXPECT_EQ(encode(BpeModel(v), "abcd").size(), 3u);
  v.ignore_merges = true;
  EXPECT_EQ(encode(BpeModel(v), "abcd"), Ids{40});
  EXPECT_EQ(encode(BpeModel(v), "abcdd").size(), 4u);
}

/// Random merges; with `rising` each uses only what was made before, by one merge.
BpeVocabulary random_vocabulary(const RandomStream& random, std::uint64_t& draw, bool rising) {
  std::vector<std::string> texts;
  for (char c = 'a'; c <= 'h'; ++c) texts.emplace_back(1, c);
  std::set<std::string> made;
  std::vector<std::pair<std::string, std::string>> merges;
  while (merges.size() < 60) {
    const std::string left = texts[random.bits64(draw++) % texts.size()];
    const std::string right = texts[random.bits64(draw++) % texts.size()];
    if (!made.insert(left + right).second && rising) continue;
    merges.emplace_back(left, right);
    if (left.size() + right.size() < 8) texts.push_back(left + right);
  }
  if (!rising) {
    for (std::size_t i = merges.size() - 1; i > 0; --i) {
      std::swap(merges[i], merges[random.bits64(draw++) % (i + 1)]);
    }
  }
  return vocabulary(merges);
}

std::string random_word(const RandomStream& random, std::uint64_t& draw, std::size_t size) {
  std::string word;
  while (word.size() < size) word += static_cast<char>('a' + random.bits64(draw++) % 9);
  return word;
}

TEST(Bpe, AllWaysOfMergingFollowTheRule) {
  const RandomStream random{.seed = 17};
  std::uint64_t draw = 0;
  int rising = 0;
  for (int round = 0; round < 40; ++round) {
    const BpeModel model(random_vocabulary(random, draw, round % 2 == 0));
    rising += model.ranks_rise();
    for (const std::size_t size : {1, 5, 20, 24, 25, 47, 48, 49, 60, 200, 700}) {
      const std::string word = random_word(random, draw, size);
      ASSERT_EQ(encode(model, word), encode_by_rule(model, word)) << word;
    }
  }
  EXPECT_GE(rising, 20);
  EXPECT_LT(rising, 40);
}

TEST(Bpe, LongPreTokensAreMergedAsTheirRanksSay) {
  // By rank in one model, by heap in the other, whose last merge, which none can reach, does not
  // rise.
  const RandomStream random{.seed = 18};
  std::uint64_t draw = 0;
  for (int round = 0; round < 10; ++round) {
    BpeVocabulary v = random_vocabulary(random, draw, true);
    const BpeModel model(v);
    v.merges.push_back({.left = 1000, .right = 1001, .result = v.merges[0].left});
    const BpeModel by_heap(v);
    EXPECT_TRUE(model.ranks_rise());
    EXPECT_FALSE(by_heap.ranks_rise());
    for (const std::string& word : {random_word(random, draw, 40'000), std::string(40'000, 'a')}) {
      EXPECT_EQ(encode(model, word), encode(by_heap, word));
    }
  }
}

TEST(Bpe, WordsThatWereSeenBeforeComeFromTheCache) {
  const RandomStream random{.seed = 19};
  std::uint64_t draw = 0;
  const BpeModel model(random_vocabulary(random, draw, true));
  BpeEncoder encoder(model);
  for (int round = 0; round < 20'000; ++round) {
    const std::string word = random_word(random, draw, 1 + random.bits64(draw++) % 6);
    Ids ids{7};
    encoder.encode(word, ids);
    Ids expected = encode_by_rule(model, word);
    expected.insert(expected.begin(), 7);
    ASSERT_EQ(ids, expected) << word;
  }
}

TEST(Bpe, AMillionOfOneLetterTakesNoLongTime) {
  std::vector<std::pair<std::string, std::string>> doubled;
  for (std::size_t n = 1; n < 64; n *= 2) {
    doubled.emplace_back(std::string(n, 'a'), std::string(n, 'a'));
  }
  const BpeModel rising(vocabulary(doubled));
  EXPECT_TRUE(rising.ranks_rise());
  EXPECT_EQ(encode(rising, std::string(1 << 20, 'a')).size(), std::size_t{1} << 14);
  doubled.insert(doubled.begin(), {"aa", "a"});
  const BpeModel other(vocabulary(doubled));
  EXPECT_FALSE(other.ranks_rise());
  EXPECT_GT(encode(other, std::string(1 << 20, 'a')).size(), 0u);
}

}  // namespace
}  // namespace krait
