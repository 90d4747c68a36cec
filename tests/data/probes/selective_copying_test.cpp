#include "data/probes/selective_copying.h"

#include "tests/data/probes/probe_samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(SelectiveCopying, AsksForTheTokensInTheirOrder) {
  const SelectiveCopying probe({}, {.seed = 3});
  EXPECT_EQ(probe.shape().length, 4096 + 16);
  std::set<std::int32_t> tokens;
  std::set<std::size_t> places;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Sample sample = probe.get(i);
    std::vector<std::int32_t> shown;
    for (std::size_t k = 0; k < 4096; ++k) {
      if (sample.inputs[k] == 0) continue;
      shown.push_back(sample.inputs[k]);
      places.insert(k);
    }
    ASSERT_EQ(shown.size(), 16u);
    EXPECT_TRUE(std::ranges::equal(std::span(sample.targets).last(16), shown));
    EXPECT_EQ(counted(sample).size(), 16u);
    for (std::size_t k = 4096; k < 4112; ++k) EXPECT_EQ(sample.inputs[k], 15);
    tokens.insert(shown.begin(), shown.end());
  }
  EXPECT_EQ(tokens.size(), 14u);  // 1 to 14
  EXPECT_EQ(*tokens.begin(), 1);
  EXPECT_LT(*places.begin(), 200u);
  EXPECT_GT(*places.rbegin(), 3900u);
}

TEST(SelectiveCopying, IsAProbe) {
  expect_probe(
      [](const ProbeSamples& s) {
        return SelectiveCopying({.noise_length = 64, .n_tokens = 4, .vocab_size = 8}, s);
      },
      200);
  expect_error(ErrorKind::BadConfig, {"n_tokens <= noise_length", "16, 8 and 16"},
               [] { SelectiveCopying({.noise_length = 8}, {}); });
}

}  // namespace
}  // namespace krait
