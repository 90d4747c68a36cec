#include "data/token_set/random.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/data/build/sample_documents.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class RandomTokenSetTest : public ::testing::Test {
 protected:
  TokenSet write(const RandomTokenSet& options) {
    RandomTokenSet chosen = options;
    chosen.output = directory_ / "sets" / "random.h5";
    const TokenSetInfo info = write_random_token_set(chosen);
    TokenSet set(chosen.output);
    set.verify();
    EXPECT_EQ(set.info().content_sha256, info.content_sha256);
    return set;
  }
  TemporaryDirectory directory_;
};

TEST_F(RandomTokenSetTest, HoldsWhatWasAskedFor) {
  const TokenSet set = write({.vocab_size = 50277, .n_tokens = 1000, .n_documents = 3});
  EXPECT_EQ(set.n_tokens(), 1000u);
  EXPECT_EQ(set.info().vocab_size, 50277);
  EXPECT_EQ(set.info().token_bytes, 2);
  EXPECT_EQ(set.info().end_of_document, 50276);
  EXPECT_EQ(set.info().tokenizer, NumberTokenizer(50277).identity());
  const auto offsets = set.document_offsets();
  EXPECT_EQ(std::vector(offsets.begin(), offsets.end()),
            (std::vector<std::uint64_t>{0, 334, 667, 1000}));
  const std::vector<std::int32_t> tokens = all_tokens(set);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 50276), 3);
}

TEST_F(RandomTokenSetTest, ATokenDependsOnSeedAndPlaceOnly) {
  // Longer than what is drawn at a time, and cut at places that are no multiples of four.
  const auto tokens = all_tokens(write({.vocab_size = 1000, .n_tokens = 200'003}));
  const auto documents =
      all_tokens(write({.vocab_size = 1000, .n_tokens = 150'001, .n_documents = 7}));
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (documents[i] != 999) {
      ASSERT_EQ(documents[i], tokens[i]) << i;
    }
  }
  const auto others = all_tokens(write({.vocab_size = 1000, .n_tokens = 200'003, .seed = 1}));
  std::size_t equal = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) equal += tokens[i] == others[i] ? 1 : 0;
  EXPECT_LT(equal, 400u);  // 200 by chance, standard deviation 14
}

TEST_F(RandomTokenSetTest, TokensAreUniformAndFollowEachOtherFreely) {
  constexpr std::int32_t kValues = 7;  // and the end of a document
  constexpr std::size_t kTokens = 490'000;
  const auto tokens = all_tokens(write({.vocab_size = kValues + 1, .n_tokens = kTokens + 1}));
  std::vector<double> count(kValues * kValues);
  for (std::size_t i = 0; i + 1 < kTokens; ++i) {
    ASSERT_LT(tokens[i], kValues);
    count[static_cast<std::size_t>(tokens[i] * kValues + tokens[i + 1])] += 1;
  }
  // 10,000 of each pair; five standard deviations
  for (const double pair : count) EXPECT_NEAR(pair, kTokens / count.size(), 500);
}

TEST_F(RandomTokenSetTest, ReportsItsProgress) {
  std::vector<std::uint64_t> reports;
  write({.vocab_size = 10, .n_tokens = 3'000'000, .progress = [&](std::uint64_t tokens) {
           reports.push_back(tokens);
         }});
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_TRUE(std::is_sorted(reports.begin(), reports.end()));
  EXPECT_EQ(reports.back(), 3'000'000u);
}

TEST_F(RandomTokenSetTest, RefusesWhatCannotBe) {
  expect_error(ErrorKind::Usage, {"2 to 2147483647", "got 1"},
               [&] { write({.vocab_size = 1, .n_tokens = 10}); });
  expect_error(ErrorKind::Usage, {"0 documents"},
               [&] { write({.vocab_size = 9, .n_tokens = 10, .n_documents = 0}); });
  expect_error(ErrorKind::Usage, {"11 documents of 10 tokens"},
               [&] { write({.vocab_size = 9, .n_tokens = 10, .n_documents = 11}); });
  EXPECT_EQ(write({.vocab_size = 9, .n_tokens = 10, .n_documents = 10}).n_documents(), 10u);
}

}  // namespace
}  // namespace krait
