#include "kernels/gemm.h"

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

struct Case {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b, accumulate;
};

/// Dtypes of a and b, and of c.
struct Types {
  DType in, out;
};
std::vector<Types> types() {
  using enum DType;
  if (on_gpu()) return {{F32, F32}, {BF16, BF16}, {BF16, F32}};
  return {{F64, F64}, {F32, F32}};
}

/// Where the columns of each operand begin in the wider tensor that holds it.
struct Offsets {
  std::int64_t a = 2, b = 2, c = 2;
};

/// Operands inside wider tensors, so that row strides differ from row lengths.
Gemm operands(const Case& c, const Types& t, const Offsets& offsets = {}) {
  const auto matrix = [&](const Shape& shape, DType dtype, std::uint32_t stream, std::int64_t at) {
    return random_tensor({shape[0], at + shape[1] + 1}, dtype, stream).slice(1, at, at + shape[1]);
  };
  return {.a = matrix(c.transpose_a ? Shape{c.k, c.m} : Shape{c.m, c.k}, t.in, 1, offsets.a),
          .b = matrix(c.transpose_b ? Shape{c.n, c.k} : Shape{c.k, c.n}, t.in, 2, offsets.b),
          .c = matrix({c.m, c.n}, t.out, 3, offsets.c),
          .transpose_a = c.transpose_a,
          .transpose_b = c.transpose_b,
          .accumulate = c.accumulate};
}

std::vector<double> expected(const Gemm& g) {
  const std::vector<double> a = values(g.transpose_a ? g.a.transpose(0, 1) : g.a);
  const std::vector<double> b = values(g.transpose_b ? g.b.transpose(0, 1) : g.b);
  std::vector<double> c(static_cast<std::size_t>(g.c.numel()));
  if (g.accumulate) c = values(g.c);
  const auto m = static_cast<std::size_t>(g.c.size(0)), n = static_cast<std::size_t>(g.c.size(1));
  const std::size_t k = m == 0 ? 0 : a.size() / m;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = g.accumulate ? c[i * n + j] : 0;
      for (std::size_t l = 0; l < k; ++l) sum += a[i * k + l] * b[l * n + j];
      c[i * n + j] = sum;
    }
  }
  return c;
}

// A sum of k products of normal numbers: partial sums grow to sqrt(k), so k roundings of them add
// up to about k / 4 epsilon, and to 2 k in the worst of 100,000 elements. Tensor cores (bf16) cut
// off where others round, so that errors do not cancel: up to 4 times that.
double tolerance_of(const Types& t, std::int64_t k) {
  const double sum = 2 * rounding_of(accumulate_dtype(t.in)) * static_cast<double>(k + 8);
  return (t.in == DType::BF16 ? 4 : 1) * sum + (t.out == DType::BF16 ? rounding_of(t.out) : 0);
}

void check(const Gemm& g, const std::string& what) {
  const std::vector<double> want = expected(g);
  gemm(g, {});
  const std::int64_t k = g.a.size(g.transpose_a ? 0 : 1);
  expect_close(g.c, want, tolerance_of({g.a.dtype(), g.c.dtype()}, k), what);
}

void check(const Case& c) {
  for (const Types& t : types()) {
    check(operands(c, t), str(t.in, " ", t.out, " ", c.m, " ", c.n, " ", c.k));
  }
}

DEVICE_TEST(Gemm, EqualsTheTripleLoopForEveryTranspositionAndMode) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const bool accumulate : {false, true}) {
        check({17, 29, 23, ta, tb, accumulate});
        check({131, 70, 65, ta, tb, accumulate});
      }
    }
  }
}

DEVICE_TEST(Gemm, EqualsTheTripleLoopForUnevenShapes) {
  for (const Case& c : {Case{1, 1, 1, false, false, false},
                        {1, 300, 40, false, true, false},
                        {300, 1, 40, false, false, true},
                        {1, 1, 700, false, true, false},
                        {5, 3, 2000, true, false, true},
                        {3, 500, 1, false, false, false}}) {
    check(c);
  }
}

DEVICE_TEST(Gemm, TilesOfALargeProductMeetWithoutGaps) {
  check({517, 301, 33, false, true, false});
  check({640, 384, 136, false, true, true});
}

DEVICE_TEST(Gemm, ChunksOfADeepProductAddUp) {
  check({48, 67, 4099, true, false, false});
  check({48, 67, 4099, true, false, true});
  check({40, 24, 70001, true, false, true});
}

DEVICE_TEST(Gemm, OperandsMayBeginAtAnyElement) {
  for (const Types& t : types()) {
    for (std::int64_t i = 0; i <= 8; ++i) {
      const Offsets offsets{i, i * 3 % 9, i * 5 % 9};
      const Case c{33, 47, 40, i % 2 == 1, i % 3 == 1, i % 4 == 1};
      check(operands(c, t, offsets), str(t.in, " ", t.out, " offset ", i));
    }
  }
}

DEVICE_TEST(Gemm, RowsOfAnOperandMayShareMemory) {
  for (const Types& t : types()) {
    Gemm g = operands({7, 9, 11, false, false, false}, t);
    g.a = g.a.slice(0, 3, 4).expand({7, 11});
    check(g, "a");
    g = operands({7, 9, 11, false, true, true}, t);
    g.b = g.b.slice(0, 3, 4).expand({9, 11});
    check(g, "b");
  }
}

DEVICE_TEST(Gemm, NoInnerDimensionGivesZerosOrLeavesTheSum) {
  for (const Types& t : types()) {
    const Tensor a = empty({2, 0}, t.in), b = empty({0, 3}, t.in);
    const Tensor wide = random_tensor({2, 5}, t.out, 1), c = wide.slice(1, 1, 4);
    const std::vector<double> before = values(wide);
    gemm({.a = a, .b = b, .c = c, .accumulate = true}, {});
    EXPECT_EQ(values(wide), before);
    gemm({.a = a, .b = b, .c = c}, {});
    EXPECT_EQ(values(wide),
              (std::vector<double>{before[0], 0, 0, 0, before[4], before[5], 0, 0, 0, before[9]}));
  }
}

DEVICE_TEST(Gemm, EmptyResultsAreAllowed) {
  for (const Types& t : types()) {
    const auto of = [&](const Shape& shape) { return empty(shape, t.in); };
    gemm({.a = of({0, 4}), .b = of({4, 3}), .c = empty({0, 3}, t.out)}, {});
    gemm({.a = of({2, 4}), .b = of({4, 0}), .c = empty({2, 0}, t.out)}, {});
  }
}

DEVICE_TEST(Gemm, LeavesTheMemoryBetweenRowsAlone) {
  for (const Types& t : types()) {
    for (const std::int64_t n : {7, 8}) {
      const Tensor wide = random_tensor({9, 24}, t.out, 3);
      const Tensor before = random_tensor({9, 24}, t.out, 3);
      gemm({.a = random_tensor({9, 5}, t.in, 1),
            .b = random_tensor({5, n}, t.in, 2),
            .c = wide.slice(1, 8, 8 + n)},
           {});
      EXPECT_EQ(values(wide.slice(1, 0, 8)), values(before.slice(1, 0, 8)));
      EXPECT_EQ(values(wide.slice(1, 8 + n, 24)), values(before.slice(1, 8 + n, 24)));
    }
  }
}

DEVICE_TEST(Gemm, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Types& t : types()) {
    for (const Case& c :
         {Case{300, 200, 130, false, true, false}, Case{40, 70, 6000, true, false, true},
          Case{1, 2000, 600, false, true, false}}) {
      expect_thread_independent([&] {
        Gemm g = operands(c, t);
        g.c = zeros({c.m, c.n}, t.out);
        gemm(g, {});
        return std::vector<Tensor>{g.c};
      });
    }
  }
}

DEVICE_TEST(Gemm, NotANumberReachesTheResult) {
  for (const Types& t : types()) {
    const Tensor a = tensor({1, 2}, t.in, {std::nan(""), 1});
    const Tensor c = zeros({1, 1}, t.out);
    gemm({.a = a, .b = tensor({2, 1}, t.in, {0, 1}), .c = c}, {});
    EXPECT_TRUE(std::isnan(c.item()));
  }
}

DEVICE_TEST(Gemm, OverwritesWhatIsNotANumber) {
  for (const Types& t : types()) {
    Gemm g = operands({5, 6, 7, false, false, false}, t);
    g.c = tensor({5, 6}, t.out, std::vector<double>(30, std::nan("")));
    gemm(g, {});
    for (const double value : values(g.c)) EXPECT_FALSE(std::isnan(value));
  }
}

TEST(GpuGemm, Tf32RoundsTheOperandsOfF32ProductsWhenAsked) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope scope(kGpu);
  const std::int64_t k = 512;
  Gemm g{.a = random_tensor({256, k}, DType::F32, 1),
         .b = random_tensor({k, 256}, DType::F32, 2),
         .c = empty({256, 256}, DType::F32)};
  const std::vector<double> want = expected(g);
  const auto relative_error = [&](bool tf32) {
    ExecutionContext ctx = execution_context(kGpu);
    ctx.tf32 = tf32;
    gemm(g, ctx);
    const std::vector<double> got = values(g.c);
    double squares = 0;
    for (std::size_t i = 0; i < want.size(); ++i) squares += std::pow(got[i] - want[i], 2);
    return std::sqrt(squares / static_cast<double>(want.size()) / static_cast<double>(k));
  };
  EXPECT_LT(relative_error(false), 0x1p-18);
  // Both factors of each product are off by some 2^-12 of themselves if rounded, twice that if cut.
  const double error = relative_error(true);
  EXPECT_GT(error, 0x1p-14);
  EXPECT_LT(error, 0x1p-9);
  EXPECT_LT(relative_error(false), 0x1p-18);  // the plan of one is not that of the other
}

TEST(GpuGemm, RejectsDoublePrecision) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope scope(kGpu);
  const Tensor t = zeros({2, 2}, DType::F64);
  expect_error(
      [&] {
        gemm({.a = t, .b = t, .c = zeros({2, 2}, DType::F64)}, {});
      },
      "[gemm] on CUDA dtype must be f32 or bf16, got f64.");
}

TEST(Gemm, RejectsWhatDoesNotFitAndSaysWhy) {
  const auto make = [](const Shape& shape) { return Tensor::zeros(shape, DType::F32); };
  expect_error(
      [&] {
        gemm({.a = make({2, 3}), .b = make({4, 5}), .c = make({2, 5})}, {});
      },
      "[gemm] b must have shape (3, 5), got (4, 5).");
  expect_error(
      [&] {
        gemm({.a = make({2, 3}), .b = make({3, 5}), .c = make({5})}, {});
      },
      "[gemm] c must have rank 2, got shape (5).");
  expect_error(
      [&] {
        gemm({.b = make({3, 5}), .c = make({2, 5})}, {});
      },
      "[gemm] a must have rank 2");
  expect_error(
      [&] {
        gemm({.a = make({2, 3}), .b = Tensor::zeros({3, 5}, DType::F64), .c = make({2, 5})}, {});
      },
      "[gemm] b must be f32, got f64.");
  expect_error(
      [&] {
        gemm({.a = make({3, 2}).transpose(0, 1), .b = make({3, 5}), .c = make({2, 5})}, {});
      },
      "[gemm] a must be dense in its last dimension");
  const Tensor bf16 = Tensor::zeros({2, 2}, DType::BF16);
  expect_error(
      [&] {
        gemm({.a = bf16, .b = bf16, .c = Tensor::zeros({2, 2}, DType::BF16)}, {});
      },
      "[gemm] dtype must be f32 or f64, got bf16.");
  expect_error(
      [&] {
        gemm({.a = bf16, .b = bf16, .c = make({2, 2})}, {});
      },
      "[gemm] dtype must be f32 or f64, got bf16.");
  expect_error(
      [&] {
        gemm({.a = make({2, 2}), .b = make({2, 2}), .c = bf16}, {});
      },
      "[gemm] c must be f32, got bf16.");
  expect_error(
      [&] {
        gemm({.a = make({2, 3}), .b = make({3, 5}), .c = make({1, 5}).expand({2, 5})}, {});
      },
      "[gemm] rows of c must not overlap");
}

}  // namespace
}  // namespace krait
