#include "kernels/gemm.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

struct Case {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b, accumulate;
};

/// Operands inside wider tensors, so that row strides differ from row lengths.
Gemm operands(const Case& c, DType dtype) {
  const auto matrix = [&](std::int64_t rows, std::int64_t columns, std::uint32_t stream) {
    return random_tensor({rows, columns + 3}, dtype, stream).slice(1, 2, 2 + columns);
  };
  return {.a = c.transpose_a ? matrix(c.k, c.m, 1) : matrix(c.m, c.k, 1),
          .b = c.transpose_b ? matrix(c.n, c.k, 2) : matrix(c.k, c.n, 2),
          .c = matrix(c.m, c.n, 3),
          .transpose_a = c.transpose_a,
          .transpose_b = c.transpose_b,
          .accumulate = c.accumulate};
}

std::vector<double> expected(const Gemm& g) {
  const std::vector<double> a = values(g.transpose_a ? g.a.transpose(0, 1) : g.a);
  const std::vector<double> b = values(g.transpose_b ? g.b.transpose(0, 1) : g.b);
  std::vector<double> c = values(g.c);
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

void check(const Case& c) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    const Gemm g = operands(c, dtype);
    const std::vector<double> want = expected(g);
    gemm(g, {});
    // A sum of k products of normal numbers: partial sums grow to sqrt(k), so k roundings of them
    // add up to about k / 4 epsilon, and to 2 k in the worst of 100,000 elements.
    const double epsilon = dtype == DType::F32 ? 0x1p-24 : 0x1p-53;
    const double tolerance = 2 * epsilon * static_cast<double>(c.k + 8);
    expect_close(g.c, want, tolerance, str(dtype, " ", c.m, " ", c.n, " ", c.k));
  }
}

TEST(Gemm, EqualsTheTripleLoopForEveryTranspositionAndMode) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const bool accumulate : {false, true}) {
        check({17, 29, 23, ta, tb, accumulate});
        check({131, 70, 65, ta, tb, accumulate});
      }
    }
  }
}

TEST(Gemm, EqualsTheTripleLoopForUnevenShapes) {
  for (const Case& c : {Case{1, 1, 1, false, false, false},
                        {1, 300, 40, false, true, false},
                        {300, 1, 40, false, false, true},
                        {1, 1, 700, false, true, false},
                        {5, 3, 2000, true, false, true},
                        {3, 500, 1, false, false, false}}) {
    check(c);
  }
}

TEST(Gemm, TilesOfALargeProductMeetWithoutGaps) {
  check({517, 301, 33, false, true, false});
}

TEST(Gemm, ChunksOfADeepProductAddUp) {
  check({48, 67, 4099, true, false, false});
  check({48, 67, 4099, true, false, true});
}

TEST(Gemm, NoInnerDimensionGivesZerosOrLeavesTheSum) {
  const Tensor a = Tensor::empty({2, 0}, DType::F32), b = Tensor::empty({0, 3}, DType::F32);
  const Tensor c = random_tensor({2, 3}, DType::F32, 1);
  const std::vector<double> before = values(c);
  gemm({.a = a, .b = b, .c = c, .accumulate = true}, {});
  EXPECT_EQ(values(c), before);
  gemm({.a = a, .b = b, .c = c}, {});
  EXPECT_EQ(values(c), std::vector<double>(6, 0.0));
}

TEST(Gemm, EmptyResultsAreAllowed) {
  const auto empty = [](const Shape& shape) { return Tensor::empty(shape, DType::F64); };
  gemm({.a = empty({0, 4}), .b = empty({4, 3}), .c = empty({0, 3})}, {});
  gemm({.a = empty({2, 4}), .b = empty({4, 0}), .c = empty({2, 0})}, {});
}

TEST(Gemm, LeavesTheMemoryBetweenRowsAlone) {
  const Tensor wide = random_tensor({9, 12}, DType::F32, 3);
  const std::vector<double> before = values(wide);
  gemm({.a = random_tensor({9, 5}, DType::F32, 1),
        .b = random_tensor({5, 7}, DType::F32, 2),
        .c = wide.slice(1, 2, 9)},
       {});
  EXPECT_EQ(values(wide.slice(1, 0, 2)),
            values(tensor({9, 12}, DType::F32, before).slice(1, 0, 2)));
  EXPECT_EQ(values(wide.slice(1, 9, 12)),
            values(tensor({9, 12}, DType::F32, before).slice(1, 9, 12)));
}

TEST(Gemm, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Case& c :
       {Case{300, 200, 130, false, true, false}, Case{40, 70, 6000, true, false, true},
        Case{1, 2000, 600, false, true, false}}) {
    expect_thread_independent([&] {
      const Gemm g = operands(c, DType::F32);
      const Tensor out = Tensor::zeros({c.m, c.n}, DType::F32);
      gemm({.a = g.a,
            .b = g.b,
            .c = out,
            .transpose_a = g.transpose_a,
            .transpose_b = g.transpose_b,
            .accumulate = g.accumulate},
           {});
      return std::vector<Tensor>{out};
    });
  }
}

TEST(Gemm, NotANumberReachesTheResult) {
  const Tensor a = tensor({1, 2}, DType::F32, {std::nan(""), 1});
  const Tensor c = Tensor::empty({1, 1}, DType::F32);
  gemm({.a = a, .b = tensor({2, 1}, DType::F32, {0, 1}), .c = c}, {});
  EXPECT_TRUE(std::isnan(c.item()));
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
        gemm({.a = make({2, 3}), .b = make({3, 5}), .c = make({1, 5}).expand({2, 5})}, {});
      },
      "[gemm] rows of c must not overlap");
}

}  // namespace
}  // namespace krait
