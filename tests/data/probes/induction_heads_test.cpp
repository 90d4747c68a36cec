#include "data/probes/induction_heads.h"

#include "tests/data/probes/probe_samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(InductionHeads, AsksForTheTokenBehindTheFirstMarker) {
  const InductionHeads probe({}, {.seed = 3});
  std::set<std::ptrdiff_t> places;
  std::set<std::int32_t> targets;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Sample sample = probe.get(i);
    ASSERT_EQ(std::ranges::count(sample.inputs, 15), 2);
    ASSERT_EQ(sample.inputs.back(), 15);
    const auto first = std::ranges::find(sample.inputs, 15);
    ASSERT_EQ(counted(sample), (std::vector<std::size_t>{255}));
    ASSERT_EQ(sample.targets.back(), *(first + 1));
    places.insert(first - sample.inputs.begin());
    targets.insert(sample.targets.back());
  }
  EXPECT_EQ(*places.begin(), 0);
  EXPECT_EQ(*places.rbegin(), 253);  // a token is between it and the last marker
  EXPECT_EQ(targets.size(), 15u);
}

TEST(InductionHeads, IsAProbeOfAnyLength) {
  expect_probe([](const ProbeSamples& s) { return InductionHeads({.length = 32}, s); }, 200);
  const InductionHeads longest({.length = std::int64_t{1} << 20}, {});
  const Sample sample = longest.get(7);
  EXPECT_EQ(sample.inputs.size(), std::size_t{1} << 20);
  EXPECT_EQ(sample.targets.back(), *(std::ranges::find(sample.inputs, 15) + 1));
  expect_error(ErrorKind::BadConfig, {"3 <= length", "2 and 16"},
               [] { InductionHeads({.length = 2}, {}); });
}

}  // namespace
}  // namespace krait
