#include "kernels/embedding.h"

#include "tests/kernels/tensors.h"

namespace krait {
namespace {

using namespace testing;

TEST(Embedding, ForwardPicksRows) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    const Tensor table = random_tensor({7, 5}, dtype, 1), ids = random_ids({3, 4}, 7, 2);
    const Tensor y = Tensor::empty({3, 4, 5}, dtype);
    embedding_forward({.ids = ids, .table = table, .y = y}, {});
    for (std::int64_t b = 0; b < 3; ++b) {
      for (std::int64_t t = 0; t < 4; ++t) {
        const std::int64_t id = ids.data<std::int32_t>()[b * 4 + t];
        EXPECT_EQ(values(y.select(0, b).select(0, t)), values(table.select(0, id)));
      }
    }
  }
}

TEST(Embedding, BackwardAddsUpRepeatedRows) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const std::int64_t d : {1, 5, 150}) {
      for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
        const Tensor ids = random_ids({6, 11}, 9, 2), dy = random_tensor({6, 11, d}, dtype, 3);
        const Tensor dtable = random_tensor({9, d}, dtype, 4);
        std::vector<double> want = values(dtable);
        if (mode == GradientMode::Overwrite) std::fill(want.begin(), want.end(), 0);
        for (std::int64_t i = 0; i < 66; ++i) {
          for (std::int64_t j = 0; j < d; ++j) {
            const std::int64_t row = ids.data<std::int32_t>()[i];
            want[static_cast<std::size_t>(row * d + j)] += read(dy, i * d + j);
          }
        }
        embedding_backward({.ids = ids, .dy = dy, .dtable = {dtable, mode}}, {});
        // sums of about 7 numbers
        expect_close(dtable, want, dtype == DType::F32 ? 8 * 0x1p-23 : 1e-14);
      }
    }
  }
}

TEST(Embedding, IgnoredGradientIsNotTouched) {
  const Tensor dtable = random_tensor({9, 4}, DType::F32, 4);
  embedding_backward({.ids = random_ids({3}, 9, 1),
                      .dy = random_tensor({3, 4}, DType::F32, 2),
                      .dtable = {dtable, GradientMode::Ignore}},
                     {});
  EXPECT_TRUE(same_bits(dtable, random_tensor({9, 4}, DType::F32, 4)));
}

TEST(Embedding, RowsAreAddedInTheOrderOfTheIds) {
  // in f32 the order shows: (1e8 + 1) - 1e8 is 0, (1e8 - 1e8) + 1 is 1
  const Tensor ids = tensor({3}, DType::I32, {0, 0, 0}), dtable = Tensor::zeros({1, 1}, DType::F32);
  const auto sum = [&](const std::vector<double>& dy) {
    embedding_backward({.ids = ids,
                        .dy = tensor({3, 1}, DType::F32, dy),
                        .dtable = {dtable, GradientMode::Overwrite}},
                       {});
    return dtable.item();
  };
  EXPECT_EQ(sum({1e8, 1, -1e8}), 0);
  EXPECT_EQ(sum({1e8, -1e8, 1}), 1);
}

TEST(Embedding, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor ids = random_ids({4000}, 50, 2), dy = random_tensor({4000, 200}, DType::F32, 3);
  expect_thread_independent([&] {
    const Tensor dtable = Tensor::empty({50, 200}, DType::F32);
    embedding_backward({.ids = ids, .dy = dy, .dtable = {dtable, GradientMode::Overwrite}}, {});
    return std::vector<Tensor>{dtable};
  });
}

TEST(Embedding, NoIdsAreAllowed) {
  const Tensor ids = Tensor::empty({0}, DType::I32), empty = Tensor::empty({0, 4}, DType::F32);
  const Tensor table = random_tensor({9, 4}, DType::F32, 4);
  embedding_forward({.ids = ids, .table = table, .y = empty}, {});
  embedding_backward({.ids = ids, .dy = empty, .dtable = {table, GradientMode::Overwrite}}, {});
  EXPECT_EQ(values(table), std::vector<double>(36, 0.0));
}

TEST(Embedding, RejectsIdsOutsideTheTableAndSaysWhere) {
  const Tensor table = Tensor::zeros({7, 2}, DType::F32), y = Tensor::zeros({3, 2}, DType::F32);
  for (const double bad : {7.0, -1.0}) {
    const Tensor ids = tensor({3}, DType::I32, {0, 6, bad});
    const std::string message = str(" ids must be in [0, 7), got ", bad, " at position 2.");
    expect_error([&] { embedding_forward({.ids = ids, .table = table, .y = y}, {}); },
                 "[embedding_forward]" + message, ErrorKind::BadData);
    expect_error(
        [&] {
          embedding_backward({.ids = ids, .dy = y, .dtable = {table, GradientMode::Accumulate}},
                             {});
        },
        "[embedding_backward]" + message, ErrorKind::BadData);
  }
}

TEST(Embedding, RejectsWhatDoesNotFitAndSaysWhy) {
  const Tensor table = Tensor::zeros({7, 2}, DType::F32), ids = random_ids({3}, 7, 1);
  expect_error(
      [&] {
        embedding_forward({.ids = ids, .table = table, .y = Tensor::zeros({3, 4}, DType::F32)}, {});
      },
      "[embedding_forward] y must have shape (3, 2), got (3, 4).");
  expect_error([&] { embedding_forward({.ids = table, .table = table, .y = table}, {}); },
               "[embedding_forward] ids must be i32, got f32.");
}

}  // namespace
}  // namespace krait
