#include "kernels/copy.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

TEST(Copy, ConvertsBetweenAllFloatTypes) {
  for (const DType from : {DType::F32, DType::F64, DType::BF16}) {
    for (const DType to : {DType::F32, DType::F64, DType::BF16}) {
      const Tensor x = random_tensor({3, 41}, from, 1), y = Tensor::empty({3, 41}, to);
      copy({.x = x, .y = y}, {});
      // bf16 keeps 8 bits; the other conversions are exact, as x holds f32 numbers
      expect_close(y, x, to == DType::BF16 ? 0x1p-8 : 0, str(from, " to ", to));
      EXPECT_EQ(values(y), values(tensor({3, 41}, to, values(x))));
    }
  }
}

TEST(Copy, ScalesAndAccumulates) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    const Tensor x = random_tensor({50}, dtype, 1), y = random_tensor({50}, dtype, 2);
    std::vector<double> want = values(y);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += -0.75 * values(x)[i];
    copy({.x = x, .y = y, .scale = -0.75, .accumulate = true}, {});
    expect_close(y, want, dtype == DType::F32 ? 0x1p-22 : 0x1p-51);  // two roundings
    copy({.x = y, .y = y, .scale = 2}, {});
    for (double& v : want) v *= 2;
    expect_close(y, want, dtype == DType::F32 ? 0x1p-22 : 0x1p-51);
  }
}

TEST(Copy, AnyStridesOnBothSides) {
  const Tensor x = random_tensor({4, 5, 6}, DType::F32, 1);
  const Tensor y = Tensor::zeros({6, 4, 9}, DType::F32);
  const Tensor from = x.transpose(0, 2).transpose(1, 2), to = y.slice(2, 3, 8);  // (6, 4, 5)
  copy({.x = from, .y = to}, {});
  EXPECT_EQ(values(to), values(from));
  EXPECT_EQ(values(y.slice(2, 0, 3)), std::vector<double>(72, 0.0));
  EXPECT_EQ(values(y.slice(2, 8, 9)), std::vector<double>(24, 0.0));
}

TEST(Copy, RepeatsABroadcastInput) {
  const Tensor row = random_tensor({1, 7}, DType::F64, 1), y = Tensor::empty({3, 7}, DType::F64);
  copy({.x = row.expand({3, 7}), .y = y}, {});
  EXPECT_EQ(values(y), values(row.expand({3, 7})));
  const Tensor one = tensor({1}, DType::F64, {2.5});
  copy({.x = one.expand({3, 7}), .y = y}, {});
  EXPECT_EQ(values(y), std::vector<double>(21, 2.5));
}

TEST(Copy, SixDimensionsAndLargeSizes) {
  const Tensor x = random_tensor({2, 3, 2, 3, 2, 3}, DType::F32, 1).transpose(0, 5).transpose(1, 3);
  const Tensor y = Tensor::empty(x.shape(), DType::F32);
  copy({.x = x, .y = y}, {});
  EXPECT_EQ(values(y), values(x));
  const Tensor large = random_tensor({300, 401}, DType::F32, 2).transpose(0, 1);
  const Tensor to = Tensor::empty(large.shape(), DType::F32);
  copy({.x = large, .y = to}, {});
  EXPECT_EQ(values(to), values(large));
}

TEST(Copy, IntegersAreCopiedAsTheyAre) {
  for (const DType dtype : {DType::I32, DType::I64, DType::U8}) {
    const Tensor x = tensor({2, 3}, dtype, {1, 2, 3, 250, 5, 6});
    const Tensor y = Tensor::empty({3, 2}, dtype);
    copy({.x = x.transpose(0, 1), .y = y}, {});
    EXPECT_EQ(values(y), (std::vector<double>{1, 250, 2, 5, 3, 6}));
  }
}

TEST(Copy, EmptyAndScalarTensors) {
  copy({.x = Tensor::empty({0, 3}, DType::F32), .y = Tensor::empty({0, 3}, DType::F32)}, {});
  const Tensor y = Tensor::zeros({}, DType::F32);
  copy({.x = tensor({}, DType::F32, {3}), .y = y}, {});
  EXPECT_EQ(y.item(), 3);
}

TEST(Copy, RejectsWhatDoesNotFitAndSaysWhy) {
  const auto make = [](const Shape& shape, DType dtype) { return Tensor::zeros(shape, dtype); };
  expect_error([&] { copy({.x = make({2}, DType::F32), .y = make({3}, DType::F32)}, {}); },
               "[copy] y must have the shape of x (2), got (3).");
  expect_error([&] { copy({.x = make({2}, DType::I32), .y = make({2}, DType::F32)}, {}); },
               "[copy] cannot convert i32 to f32.");
  expect_error(
      [&] { copy({.x = make({2}, DType::I32), .y = make({2}, DType::I32), .scale = 2}, {}); },
      "[copy] i32 is copied as it is");
  expect_error([&] { copy({.x = make({2}, DType::F32)}, {}); }, "[copy] x and y must be given.");
}

TEST(Fill, SetsEveryElementOfAView) {
  for (const DType dtype : {DType::F32, DType::F64, DType::BF16, DType::I32}) {
    const Tensor y = Tensor::zeros({4, 5, 3}, dtype);
    fill({.y = y.slice(1, 1, 4).transpose(0, 2), .value = -3}, {});
    EXPECT_EQ(values(y.slice(1, 1, 4)), std::vector<double>(36, -3.0));
    EXPECT_EQ(values(y.slice(1, 0, 1)), std::vector<double>(12, 0.0));
    EXPECT_EQ(values(y.slice(1, 4, 5)), std::vector<double>(12, 0.0));
  }
}

TEST(Fill, RejectsOtherTypes) {
  expect_error([] { fill({.y = Tensor::zeros({1}, DType::U8)}, {}); },
               "[fill] dtype must be f32, f64, bf16 or i32, got u8.");
}

}  // namespace
}  // namespace krait
