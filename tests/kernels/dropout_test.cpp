#include "kernels/dropout.h"

#include "kernels/copy.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

const RandomStream kRandom{.seed = 99, .purpose = RandomPurpose::Dropout, .stream = 5};

/// What the words of `kRandom` from `offset` on leave of x.
std::vector<double> expected(const Tensor& x, double p, std::uint64_t offset) {
  std::vector<double> want = values(x);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const std::uint32_t word = kRandom.bits(offset + i / 4)[i % 4];
    want[i] = word * 0x1p-32 >= p ? want[i] / (1 - p) : 0;
  }
  return want;
}

DEVICE_TEST(Dropout, KeepsWhereTheRandomWordOfTheElementSaysSo) {
  // the last offset passes 2^32, into the upper half of the counter
  for (const std::uint64_t offset : {std::uint64_t{1000}, (std::uint64_t{1} << 32) - 9}) {
    for (const DType dtype : test_dtypes()) {
      for (const std::int64_t n : {1, 3, 4, 255, 257, 1023, 1024, 40001}) {
        for (const std::int64_t begin : {0, 1}) {
          const Tensor x = random_tensor({n + begin}, dtype, 1).slice(0, begin, begin + n);
          const Tensor y = empty({n}, dtype);
          dropout({.x = x, .y = y, .p = 0.3, .random = kRandom, .offset = offset}, {});
          const std::vector<double> want = expected(x, 0.3, offset), got = values(y);
          // 1 - p and the quotient are rounded
          const double tolerance =
              2 * rounding_of(accumulate_dtype(dtype)) + (dtype == DType::F64    ? 0x1p-52
                                                          : dtype == DType::BF16 ? 0x1p-8  // 8 bits
                                                                                 : 0);
          for (std::size_t i = 0; i < want.size(); ++i) {
            ASSERT_NEAR(got[i], want[i], std::abs(want[i]) * tolerance) << dtype << n << " " << i;
          }
        }
      }
    }
  }
}

DEVICE_TEST(Dropout, KeepsTheExpectedShareAndMean) {
  constexpr std::int64_t kCount = 1 << 18;
  const DType dtype = test_dtypes().front();
  const Tensor x = tensor({kCount}, dtype, std::vector<double>(kCount, 1.0));
  const Tensor y = empty({kCount}, dtype);
  for (const double p : {0.1, 0.5, 0.9}) {
    dropout({.x = x, .y = y, .p = p, .random = kRandom}, {});
    double kept = 0, sum = 0;
    for (const double v : values(y)) kept += v != 0 ? 1 : 0, sum += v;
    const double deviation = std::sqrt(p * (1 - p) / kCount);  // of a binomial share
    EXPECT_NEAR(kept / kCount, 1 - p, 4 * deviation);
    EXPECT_NEAR(sum / kCount, 1, 4 * deviation / (1 - p));
  }
}

DEVICE_TEST(Dropout, NothingIsDroppedAtZero) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({1001}, dtype, 1), y = empty({1001}, dtype);
    dropout({.x = x, .y = y, .random = kRandom}, {});
    EXPECT_TRUE(same_bits(x, y));
    dropout({.x = empty({0}, dtype), .y = empty({0}, dtype), .random = kRandom}, {});
  }
}

DEVICE_TEST(Dropout, AccumulatesAndWorksInPlace) {
  for (const DType dtype : test_dtypes()) {
    const Tensor x = random_tensor({301}, dtype, 1), y = empty({301}, dtype);
    dropout({.x = x, .y = y, .p = 0.5, .random = kRandom}, {});
    const Tensor sum = random_tensor({301}, dtype, 2);
    std::vector<double> want = values(sum);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += values(y)[i];
    dropout({.x = x, .y = sum, .p = 0.5, .random = kRandom, .accumulate = true}, {});
    // doubling is exact, so the sum is rounded once
    EXPECT_EQ(values(sum), values(tensor({301}, dtype, want)));
    dropout({.x = x, .y = x, .p = 0.5, .random = kRandom}, {});
    EXPECT_TRUE(same_bits(x, y));
  }
}

DEVICE_TEST(Dropout, APassOnTheDeviceCountsAsItsOffsetDoes) {
  const Tensor x = tensor({1000}, DType::F32, std::vector<double>(1000, 1.0));
  const Tensor pass = empty({1}, DType::I64);
  std::vector<double> before;
  for (const std::int64_t number : {0, 1, 5000000}) {
    fill({.y = pass, .value = static_cast<double>(number)}, {});
    const Tensor read = empty({1000}, DType::F32), given = empty({1000}, DType::F32);
    dropout({.x = x, .y = read, .p = 0.5, .random = kRandom, .offset = 3, .pass = pass}, {});
    const std::uint64_t offset = 3 + (static_cast<std::uint64_t>(number) << kDropoutPassBits);
    dropout({.x = x, .y = given, .p = 0.5, .random = kRandom, .offset = offset}, {});
    EXPECT_TRUE(same_bits(read, given)) << number;
    EXPECT_NE(values(read), before);
    before = values(read);
  }
}

DEVICE_TEST(Dropout, OffsetsAndStreamsGiveOtherMasks) {
  const Tensor x = tensor({64}, DType::F32, std::vector<double>(64, 1.0));
  const auto mask = [&](std::uint32_t stream, std::uint64_t offset) {
    const Tensor y = empty({64}, DType::F32);
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

DEVICE_TEST(Dropout, MaskDoesNotDependOnTheNumberOfThreads) {
  const Tensor x = random_tensor({100003}, DType::F32, 1);
  expect_thread_independent([&] {
    const Tensor y = empty({100003}, DType::F32);
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
