#include "data/probes/parity.h"

#include "tests/data/probes/probe_samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(Parity, IsTheSumOfTheBits) {
  const Parity probe({}, {.seed = 3});
  std::set<std::size_t> lengths;
  int odd = 0;
  constexpr int kSamples = 2000;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const Sample sample = probe.get(i);
    const auto places = counted(sample);
    ASSERT_EQ(places.size(), 1u);
    const std::size_t length = places[0] + 1;
    lengths.insert(length);
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < sample.inputs.size(); ++k) {
      ASSERT_EQ(sample.inputs[k] == 0, k >= length);
      sum += k < length ? sample.inputs[k] - 1 : 0;
    }
    ASSERT_EQ(sample.targets[places[0]], sum % 2);
    odd += sum % 2;
  }
  EXPECT_EQ(*lengths.begin(), 3u);
  EXPECT_EQ(*lengths.rbegin(), 40u);
  EXPECT_EQ(lengths.size(), 38u);
  EXPECT_NEAR(odd, kSamples / 2, 90);  // four standard errors
}

TEST(Parity, IsAProbe) {
  expect_probe([](const ProbeSamples& s) { return Parity({.min_length = 20}, s); }, 200);
  expect_error(ErrorKind::BadConfig, {"min_length <= max_length", "9 and 8"},
               [] { Parity({.min_length = 9, .max_length = 8}, {}); });
}

}  // namespace
}  // namespace krait
