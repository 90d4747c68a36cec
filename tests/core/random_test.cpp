#include "core/random.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"

namespace krait {
namespace {

TEST(Philox, EqualsTheKnownAnswersOfRandom123) {
  // kat_vectors of the Random123 library (D. E. Shaw Research), philox4x32 with 10 rounds
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Philox4{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Philox4{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(
      philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
      (Philox4{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(RandomStream, EveryFieldChangesTheNumbers) {
  const RandomStream base{.seed = 1, .purpose = RandomPurpose::Dropout, .stream = 2};
  EXPECT_EQ(base.bits(3), base.bits(3));
  EXPECT_NE(base.bits(3), base.bits(4));
  EXPECT_NE(base.bits(3), base.bits(3 + (std::uint64_t{1} << 32)));
  EXPECT_NE(base.bits(3), (RandomStream{.seed = 1 + (std::uint64_t{1} << 32),
                                        .purpose = RandomPurpose::Dropout,
                                        .stream = 2})
                              .bits(3));
  EXPECT_NE(base.bits(3),
            (RandomStream{.seed = 1, .purpose = RandomPurpose::Sample, .stream = 2}).bits(3));
  EXPECT_NE(base.bits(3),
            (RandomStream{.seed = 1, .purpose = RandomPurpose::Dropout, .stream = 3}).bits(3));
}

TEST(RandomStream, BitsAreTheDocumentedCounterAndKey) {
  // in checkpoints and on other devices the layout must stay what it is
  const RandomStream r{.seed = 0x0000000a0000000bu, .purpose = RandomPurpose::Sample, .stream = 7};
  EXPECT_EQ(r.bits(0x0000000500000006u), philox4x32({6, 5, 7, 4}, {0xb, 0xa}));
}

TEST(RandomStream, UniformNumbersFillTheUnitInterval) {
  const RandomStream r{.seed = 5};
  constexpr int kCount = 100000;
  double sum = 0, squares = 0;
  std::vector<int> bins(10);
  for (int i = 0; i < kCount; ++i) {
    const double u = r.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u, squares += u * u;
    ++bins[static_cast<std::size_t>(u * 10)];
  }
  // four standard deviations of a mean, and of a binomial count
  EXPECT_NEAR(sum / kCount, 0.5, 4 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 4 * std::sqrt(4.0 / 45 / kCount));
  for (const int n : bins) EXPECT_NEAR(n, kCount / 10, 4 * std::sqrt(kCount * 0.09));
}

TEST(RandomStream, NormalNumbersHaveTheMomentsOfTheNormal) {
  const RandomStream r{.seed = 6};
  constexpr int kCount = 100000;
  double moments[4] = {};
  int beyond = 0;
  for (int i = 0; i < kCount; ++i) {
    const double z = r.normal(static_cast<std::uint64_t>(i));
    double power = 1;
    for (double& m : moments) m += (power *= z) / kCount;
    if (std::abs(z) > 1.959964) ++beyond;
  }
  // four standard deviations: the variances of z, z^2, z^3, z^4 are 1, 2, 15, 96
  EXPECT_NEAR(moments[0], 0, 4 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(moments[1], 1, 4 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[2], 0, 4 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[3], 3, 4 * std::sqrt(96.0 / kCount));
  EXPECT_NEAR(beyond, 0.05 * kCount, 4 * std::sqrt(kCount * 0.05 * 0.95));
}

TEST(StreamOf, IsFnv1a) {
  EXPECT_EQ(stream_of(""), 0x811c9dc5u);
  EXPECT_EQ(stream_of("a"), 0xe40c292cu);  // from the table of the FNV authors
  EXPECT_EQ(stream_of("foobar"), 0xbf9cf968u);
  EXPECT_NE(stream_of("layers.0.weight"), stream_of("layers.1.weight"));
}

TEST(Permutation, IsABijectionOfEverySize) {
  for (std::uint64_t size = 1; size <= 300; ++size) {
    const Permutation p(size, {.seed = size, .purpose = RandomPurpose::Shuffle});
    std::vector<bool> seen(size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t image = p(i);
      ASSERT_LT(image, size);
      ASSERT_FALSE(seen[image]) << "size " << size;
      seen[image] = true;
    }
  }
}

TEST(Permutation, LargeSizesStayInsideAndDoNotCollide) {
  for (const std::uint64_t size : {std::uint64_t{1} << 20, (std::uint64_t{1} << 32) + 1,
                                   (std::uint64_t{1} << 40) - 7, (std::uint64_t{1} << 62) + 3}) {
    const Permutation p(size, {.seed = 3, .purpose = RandomPurpose::Shuffle});
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const std::uint64_t image = p(i * (size / 2000));
      ASSERT_LT(image, size);
      ASSERT_TRUE(images.insert(image).second);
    }
  }
}

TEST(Permutation, SeedsAndStreamsGiveOtherOrders) {
  const auto order = [](std::uint64_t seed, std::uint32_t stream) {
    const Permutation p(100, {.seed = seed, .purpose = RandomPurpose::Shuffle, .stream = stream});
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < 100; ++i) out.push_back(p(i));
    return out;
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0), order(2, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
}

TEST(Permutation, EveryElementCanComeFirst) {
  // over 4000 seeds each of 16 elements comes first about 250 times
  std::vector<int> first(16);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    ++first[Permutation(16, {.seed = seed, .purpose = RandomPurpose::Shuffle})(0)];
  }
  for (const int n : first) EXPECT_NEAR(n, 250, 5 * std::sqrt(250.0));
}

TEST(Permutation, RejectsAnIndexOutside) {
  const Permutation p(10, {});
  EXPECT_THROW(p(10), Error);
}

}  // namespace
}  // namespace krait
