#include "kernels/copy.h"

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

/// What can be converted on the test's device.
std::vector<DType> float_dtypes() {
  return on_gpu() ? std::vector{DType::F32, DType::BF16}
                  : std::vector{DType::F32, DType::F64, DType::BF16};
}

/// `part` of `all` holds `want`, none of which is `outside`, and the rest still holds `outside`.
void expect_only(const Tensor& all, const Tensor& part, const std::vector<double>& want,
                 double outside, const std::string& what) {
  EXPECT_EQ(values(part), want) << what;
  const std::vector<double> v = values(all);
  const auto untouched = std::count(v.begin(), v.end(), outside);
  EXPECT_EQ(untouched, all.numel() - part.numel()) << what << ": wrote outside";
}

DEVICE_TEST(Copy, ConvertsBetweenAllFloatTypes) {
  for (const DType from : float_dtypes()) {
    for (const DType to : float_dtypes()) {
      const Tensor x = random_tensor({3, 41}, from, 1), y = empty({3, 41}, to);
      copy({.x = x, .y = y}, {});
      // bf16 keeps 8 bits; the other conversions are exact, as x holds f32 numbers
      expect_close(y, x, to == DType::BF16 ? 0x1p-8 : 0, str(from, " to ", to));
      EXPECT_EQ(values(y), values(tensor({3, 41}, to, values(x))));
    }
  }
}

DEVICE_TEST(Copy, ScalesAndAccumulates) {
  for (const DType from : float_dtypes()) {
    for (const DType to : float_dtypes()) {
      const Tensor x = random_tensor({50}, from, 1), y = random_tensor({50}, to, 2);
      std::vector<double> want = values(y);
      for (std::size_t i = 0; i < want.size(); ++i) want[i] += -0.75 * values(x)[i];
      // two roundings; in bf16, of 8 bits, one, and the f32 sum before it
      const double tolerance = to == DType::BF16 ? 0x1p-8 + 0x1p-22 : 4 * rounding_of(to);
      copy({.x = x, .y = y, .scale = -0.75, .accumulate = true}, {});
      expect_close(y, want, tolerance, str(from, " to ", to));
      copy({.x = y, .y = y, .scale = 2}, {});
      for (double& v : want) v *= 2;
      expect_close(y, want, tolerance, str(to, " in place"));
      copy({.x = x, .y = y, .scale = 0.5}, {});  // exact, but for a rounding to bf16
      for (std::size_t i = 0; i < want.size(); ++i) want[i] = 0.5 * values(x)[i];
      EXPECT_EQ(values(y), values(tensor({50}, to, want)));
    }
  }
}

DEVICE_TEST(Copy, AnyStridesOnBothSides) {
  const Tensor x = random_tensor({4, 5, 6}, DType::F32, 1);
  const Tensor y = zeros({6, 4, 9}, DType::F32);
  const Tensor from = x.transpose(0, 2).transpose(1, 2), to = y.slice(2, 3, 8);  // (6, 4, 5)
  copy({.x = from, .y = to}, {});
  EXPECT_EQ(values(to), values(from));
  EXPECT_EQ(values(y.slice(2, 0, 3)), std::vector<double>(72, 0.0));
  EXPECT_EQ(values(y.slice(2, 8, 9)), std::vector<double>(24, 0.0));
}

DEVICE_TEST(Copy, RowsOfWiderBuffersWhateverTheirAlignment) {
  for (const DType from : float_dtypes()) {
    for (const DType to : float_dtypes()) {
      const Tensor x = random_tensor({37, 640}, from, 1);
      for (const std::int64_t width : {1, 3, 8, 24, 30, 250, 600}) {
        for (const std::int64_t begin : {0, 1, 8}) {
          const Tensor y = zeros({37, 624}, to), part = y.slice(1, 16, 16 + width);
          const Tensor rows = x.slice(1, begin, begin + width);
          copy({.x = rows, .y = part}, {});
          expect_only(y, part, values(tensor(part.shape(), to, values(rows))), 0,
                      str(from, " to ", to, ", ", width, " from ", begin));
        }
      }
    }
  }
}

DEVICE_TEST(Copy, ContiguousTensorsOfEverySize) {
  for (const DType dtype : {DType::F32, DType::BF16, DType::U8, DType::I64}) {
    const bool is_float = dtype == DType::F32 || dtype == DType::BF16;
    for (const std::int64_t n : {1, 7, 31, 32, 33, 255, 257, 1023, 1025, 2049, 20011}) {
      for (const std::int64_t begin : {0, 1}) {
        std::vector<double> from(static_cast<std::size_t>(n + begin));
        for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<double>(i % 199) + 1;
        const Tensor x = tensor({n + begin}, dtype, from).slice(0, begin, begin + n);
        const Tensor y = zeros({n + 9}, dtype), part = y.slice(0, 8, 8 + n);
        copy({.x = x, .y = part}, {});
        expect_only(y, part, values(x), 0, str(dtype, " ", n, " from ", begin));
        if (!is_float) continue;
        copy({.x = x, .y = part, .accumulate = true}, {});
        std::vector<double> twice = values(x);
        for (double& v : twice) v *= 2;
        expect_only(y, part, twice, 0, str(dtype, " added ", n, " from ", begin));
      }
    }
  }
}

DEVICE_TEST(Copy, RepeatsABroadcastInput) {
  for (const DType dtype : test_dtypes()) {
    for (const Shape& shape : {Shape{3, 7}, Shape{5, 1032}}) {
      const Tensor row = random_tensor({1, shape[1]}, dtype, 1), y = empty(shape, dtype);
      copy({.x = row.expand(shape), .y = y}, {});
      EXPECT_EQ(values(y), values(row.expand(shape)));
      const Tensor column = random_tensor({shape[0], 1}, dtype, 1);
      copy({.x = column.expand(shape), .y = y}, {});
      EXPECT_EQ(values(y), values(column.expand(shape)));
      const Tensor one = tensor({1}, dtype, {2.5});
      copy({.x = one.expand(shape), .y = y}, {});
      EXPECT_EQ(values(y), std::vector<double>(static_cast<std::size_t>(shape.numel()), 2.5));
      copy({.x = one.expand(shape), .y = y, .scale = 3, .accumulate = true}, {});
      EXPECT_EQ(values(y), std::vector<double>(static_cast<std::size_t>(shape.numel()), 10));
    }
  }
}

DEVICE_TEST(Copy, SixDimensionsAndLargeSizes) {
  const Tensor x = random_tensor({2, 3, 2, 3, 2, 3}, DType::F32, 1).transpose(0, 5).transpose(1, 3);
  const Tensor y = empty(x.shape(), DType::F32);
  copy({.x = x, .y = y}, {});
  EXPECT_EQ(values(y), values(x));
  const Tensor large = random_tensor({300, 401}, DType::F32, 2).transpose(0, 1);
  const Tensor to = empty(large.shape(), DType::F32);
  copy({.x = large, .y = to}, {});
  EXPECT_EQ(values(to), values(large));
}

DEVICE_TEST(Copy, IntegersAreCopiedAsTheyAre) {
  for (const DType dtype : {DType::I32, DType::I64, DType::U8}) {
    const Tensor x = tensor({2, 3}, dtype, {1, 2, 3, 250, 5, 6});
    const Tensor y = empty({3, 2}, dtype);
    copy({.x = x.transpose(0, 1), .y = y}, {});
    EXPECT_EQ(values(y), (std::vector<double>{1, 250, 2, 5, 3, 6}));
  }
}

DEVICE_TEST(Copy, EmptyAndScalarTensors) {
  copy({.x = empty({0, 3}, DType::F32), .y = empty({0, 3}, DType::F32)}, {});
  copy({.x = empty({3, 0}, DType::F32), .y = empty({3, 0}, DType::BF16)}, {});
  const Tensor y = zeros({}, DType::F32);
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

TEST(GpuCopy, RejectsF64) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor x = Tensor::zeros({2}, DType::F64, kGpu), y = Tensor::zeros({2}, DType::F32, kGpu);
  const std::string message = "[copy] on CUDA dtype must be f32, bf16, i32, i64 or u8, got f64.";
  expect_error([&] { copy({.x = x, .y = y}, {}); }, message);
  expect_error([&] { copy({.x = y, .y = x}, {}); }, message);
  expect_error([&] { copy({.x = x, .y = x}, {}); }, message);
  expect_error([&] { fill({.y = x}, {}); }, "[fill] on CUDA dtype must be");
}

std::vector<DType> fill_dtypes() {
  std::vector<DType> dtypes = float_dtypes();
  dtypes.push_back(DType::I32);
  return dtypes;
}

DEVICE_TEST(Fill, SetsEveryElementOfAView) {
  for (const DType dtype : fill_dtypes()) {
    const Tensor y = zeros({4, 5, 3}, dtype);
    fill({.y = y.slice(1, 1, 4).transpose(0, 2), .value = -3}, {});
    EXPECT_EQ(values(y.slice(1, 1, 4)), std::vector<double>(36, -3.0));
    EXPECT_EQ(values(y.slice(1, 0, 1)), std::vector<double>(12, 0.0));
    EXPECT_EQ(values(y.slice(1, 4, 5)), std::vector<double>(12, 0.0));
  }
}

DEVICE_TEST(Fill, WritesNothingBesideTheView) {
  for (const DType dtype : fill_dtypes()) {
    for (const std::int64_t n : {0, 1, 31, 257, 1024, 1031, 20003}) {
      for (const std::int64_t begin : {0, 1, 8}) {
        const Tensor y = zeros({n + 17}, dtype), part = y.slice(0, begin, begin + n);
        fill({.y = part, .value = 7}, {});
        expect_only(y, part, std::vector<double>(static_cast<std::size_t>(n), 7.0), 0,
                    str(dtype, " ", n, " from ", begin));
      }
    }
    const Tensor y = zeros({40, 320}, dtype), part = y.slice(1, 8, 308);
    fill({.y = part, .value = 7}, {});
    expect_only(y, part, std::vector<double>(40 * 300, 7.0), 0, str(dtype, " rows"));
  }
}

TEST(Fill, RejectsOtherTypes) {
  expect_error([] { fill({.y = Tensor::zeros({1}, DType::U8)}, {}); },
               "[fill] dtype must be f32, f64, bf16, i32 or i64, got u8.");
}

}  // namespace
}  // namespace krait
