#include "kernels/dropout.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

const RandomStream kRandom{.seed = 99, .purpose = RandomPurpose::Dropout, .stream = 5};

TEST(Dropout, KeepsWhereTheRandomWordOfTheElementSaysSo) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const std::int64_t n : {1, 3, 4, 255, 257, 40001}) {
      const Tensor x = random_tensor({n}, dtype, 1), y = Tensor::empty({n}, dtype);
      dropout({.x = x, .y = y, .p = 0.3, .random = kRandom, .offset = 1000}, {});
      for (std::int64_t i = 0; i < n; ++i) {
        const auto index = static_cast<std::uint64_t>(i);
        const std::uint32_t word = kRandom.bits(1000 + index / 4)[index % 4];
        const bool kept = word * 0x1p-32 >= 0.3;
        const double want = kept ? read(x, i) / 0.7 : 0;
        ASSERT_NEAR(read(y, i), want, std::abs(want) * (dtype == DType::F32 ? 0x1p-23 : 0x1p-51))
            << i;
      }
    }
  }
}

TEST(Dropout, KeepsTheExpectedShareAndMean) {
  constexpr std::int64_t kCount = 1 << 18;
  const Tensor x = tensor({kCount}, DType::F64, std::vector<double>(kCount, 1.0));
  const Tensor y = Tensor::empty({kCount}, DType::F64);
  for (const double p : {0.1, 0.5, 0.9}) {
    dropout({.x = x, .y = y, .p = p, .random = kRandom}, {});
    double kept = 0, sum = 0;
    for (const double v : y.span<double>()) kept += v != 0 ? 1 : 0, sum += v;
    const double deviation = std::sqrt(p * (1 - p) / kCount);  // of a binomial share
    EXPECT_NEAR(kept / kCount, 1 - p, 4 * deviation);
    EXPECT_NEAR(sum / kCount, 1, 4 * deviation / (1 - p));
  }
}

TEST(Dropout, NothingIsDroppedAtZero) {
  const Tensor x = random_tensor({1001}, DType::F32, 1), y = Tensor::empty({1001}, DType::F32);
  dropout({.x = x, .y = y, .random = kRandom}, {});
  EXPECT_TRUE(same_bits(x, y));
}

TEST(Dropout, AccumulatesAndWorksInPlace) {
  const Tensor x = random_tensor({301}, DType::F64, 1), y = Tensor::empty({301}, DType::F64);
  dropout({.x = x, .y = y, .p = 0.5, .random = kRandom}, {});
  const Tensor sum = random_tensor({301}, DType::F64, 2);
  std::vector<double> want = values(sum);
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += values(y)[i];
  dropout({.x = x, .y = sum, .p = 0.5, .random = kRandom, .accumulate = true}, {});
  EXPECT_EQ(values(sum), want);
  dropout({.x = x, .y = x, .p = 0.5, .random = kRandom}, {});
  EXPECT_TRUE(same_bits(x, y));
}

TEST(Dropout, OffsetsAndStreamsGiveOtherMasks) {
  const Tensor x = tensor({64}, DType::F32, std::vector<double>(64, 1.0));
  const auto mask = [&](std::uint32_t stream, std::uint64_t offset) {
    const Tensor y = Tensor::empty({64}, DType::F32);
    RandomStream random = kRandom;
    random.stream = stream;
    dropout({.x = x, .y = y, .p = 0.5, .random = random, .offset = offset}, {});
    return values(y);
  };
  EXPECT_EQ(mask(1, 7), mask(1, 7));
  EXPECT_NE(mask(1, 7), mask(2, 7));
  EXPECT_NE(mask(1, 7), mask(1, 8));
  // four elements take one counter, so the mask one counter on is the same one moved by four
  const std::vector<double> a = mask(1, 7), b = mask(1, 8);
  EXPECT_TRUE(std::equal(a.begin() + 4, a.end(), b.begin()));
}

TEST(Dropout, MaskDoesNotDependOnTheNumberOfThreads) {
  const Tensor x = random_tensor({100003}, DType::F32, 1);
  expect_thread_independent([&] {
    const Tensor y = Tensor::empty({100003}, DType::F32);
    dropout({.x = x, .y = y, .p = 0.5, .random = kRandom}, {});
    return std::vector<Tensor>{y};
  });
}

TEST(Dropout, RejectsWhatDoesNotFitAndSaysWhy) {
  const Tensor x = Tensor::zeros({2}, DType::F32);
  for (const double p : {1.0, -0.1}) {
    expect_error([&] { dropout({.x = x, .y = x, .p = p}, {}); },
                 str("[dropout] p must be in [0, 1), got ", p, "."));
  }
  expect_error([&] { dropout({.x = x, .y = Tensor::zeros({2}, DType::F64)}, {}); },
               "[dropout] y must be f32, got f64.");
}

}  // namespace
}  // namespace krait
