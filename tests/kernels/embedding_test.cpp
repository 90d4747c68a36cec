#include "kernels/embedding.h"

#include "tests/support/tensors.h"

namespace krait {
namespace {

using namespace testing;

/// What a table of `t` gives on the test's device: rows of `t`, or of what it is summed in.
struct DTypes {
  DType table, y;
};
std::vector<DTypes> dtypes() {
  std::vector<DTypes> all;
  for (const DType t : test_dtypes()) all.push_back({t, t});
  if (on_gpu()) all.push_back({DType::BF16, DType::F32});
  return all;
}

DEVICE_TEST(Embedding, ForwardPicksRows) {
  for (const DTypes t : dtypes()) {
    // one column, no whole pack, one pack, several a lane
    for (const std::int64_t d : {1, 5, 4, 256, 772}) {
      const Tensor table = random_tensor({7, d}, t.table, 1), ids = random_ids({3, 40}, 7, 2);
      const Tensor y = empty({3, 40, d}, t.y);
      embedding_forward({.ids = ids, .table = table, .y = y}, {});
      const std::vector<double> id = values(ids), rows = values(table);
      std::vector<double> want;
      for (const double i : id) {
        const auto first = rows.begin() + static_cast<std::int64_t>(i) * d;
        want.insert(want.end(), first, first + d);
      }
      EXPECT_EQ(values(y), want) << t.table << " " << t.y << " " << d;
    }
  }
}

DEVICE_TEST(Embedding, ForwardWorksInSlices) {
  // neither begins at a multiple of 16 bytes
  for (const DTypes t : dtypes()) {
    const Tensor table = random_tensor({1 + 7 * 8}, t.table, 1).view(1, {7, 8});
    const Tensor ids = tensor({4}, DType::I32, {6, 0, 3, 6});
    const Tensor y = zeros({1 + 4 * 8}, t.y);
    embedding_forward({.ids = ids, .table = table, .y = y.view(1, {4, 8})}, {});
    const std::vector<double> all = values(y);
    EXPECT_EQ(all[0], 0);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto id = static_cast<std::int64_t>(values(ids)[i]);
      const auto first = all.begin() + 1 + static_cast<std::ptrdiff_t>(i * 8);
      EXPECT_EQ(std::vector<double>(first, first + 8), values(table.select(0, id)));
    }
  }
}

struct Counts {
  std::int64_t ids, v, d;
};

/// dtable after backward against plain loops in f64.
void expect_sums(const Tensor& ids, const Tensor& dy, const Gradient& dtable, double tolerance,
                 const std::string& what) {
  const std::int64_t d = dtable.tensor.size(1);
  std::vector<double> want = values(dtable.tensor);
  if (!dtable.accumulates()) std::fill(want.begin(), want.end(), 0);
  const std::vector<double> id = values(ids), rows = values(dy);
  for (std::size_t i = 0; i < id.size(); ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      want[static_cast<std::size_t>(static_cast<std::int64_t>(id[i]) * d + j)] +=
          rows[i * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)];
    }
  }
  embedding_backward({.ids = ids, .dy = dy, .dtable = dtable}, {});
  expect_close(dtable.tensor, want, tolerance, what);
}

DEVICE_TEST(Embedding, BackwardAddsUpRepeatedRows) {
  for (const DType dtype : test_dtypes()) {
    const DType sum = accumulate_dtype(dtype);
    for (const Counts& c :
         {Counts{66, 9, 1}, Counts{66, 9, 5}, Counts{66, 9, 150}, Counts{66, 9, 4},
          Counts{64, 1000, 8}, Counts{65, 8, 8}, Counts{1, 8, 8}, Counts{700, 90, 768},
          Counts{300, 50, 1100}, Counts{300, 50, 257}, Counts{3000, 256, 12}}) {
      for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
        const Tensor ids = random_ids({c.ids}, c.v, 2), dy = random_tensor({c.ids, c.d}, dtype, 3);
        // sums of about 10 numbers
        expect_sums(ids, dy, {random_tensor({c.v, c.d}, sum, 4), mode},
                    sum == DType::F32 ? 16 * 0x1p-23 : 1e-14,
                    str(dtype, " ", c.ids, " ids of ", c.v, " d ", c.d));
      }
    }
  }
}

DEVICE_TEST(Embedding, BackwardAddsUpLongRuns) {
  // one id everywhere; a few ids, whose runs begin and end inside, at and across tiles of 64; a
  // frequent id between rare ones
  constexpr std::int64_t kIds = 4001, kRows = 300;
  std::vector<double> same(kIds, 299), few, mixed;
  for (std::int64_t i = 0; i < kIds; ++i) {
    few.push_back(i < 64 ? 0 : i < 192 ? 1 : i < 193 ? 2 : i < 1000 ? 7 : 299);
    mixed.push_back(i % 3 == 0 ? 150 : static_cast<double>(i * 7 % kRows));
  }
  for (const DType dtype : test_dtypes()) {
    const DType sum = accumulate_dtype(dtype);
    for (const std::vector<double>& given : {same, few, mixed}) {
      for (const std::int64_t d : {3, 132}) {
        for (const GradientMode mode : {GradientMode::Overwrite, GradientMode::Accumulate}) {
          // sums of thousands of numbers, in steps of magnitude 60
          expect_sums(tensor({kIds}, DType::I32, given), random_tensor({kIds, d}, dtype, 3),
                      {random_tensor({kRows, d}, sum, 4), mode}, sum == DType::F32 ? 1e-4 : 1e-11,
                      str(dtype, " d ", d));
        }
      }
    }
  }
}

DEVICE_TEST(Embedding, LongRunsLoseNoRow) {
  // whole numbers are added without rounding in any order, so each row shows
  for (const std::int64_t count : {63, 64, 65, 128, 129, 575, 577, 640, 5000}) {
    std::vector<double> ids, dy, want(3, 0.0);
    for (std::int64_t i = 0; i < count; ++i) {
      ids.push_back(i == 10 ? 0 : i == 50 ? 2 : 1);
      dy.push_back(static_cast<double>(i % 97 + 1));
      want[static_cast<std::size_t>(ids.back())] += dy.back();
    }
    const Tensor dtable = empty({3, 1}, DType::F32);
    embedding_backward({.ids = tensor({count}, DType::I32, ids),
                        .dy = tensor({count, 1}, DType::F32, dy),
                        .dtable = {dtable, GradientMode::Overwrite}},
                       {});
    EXPECT_EQ(values(dtable), want) << count;
  }
}

DEVICE_TEST(Embedding, BackwardWorksInSlices) {
  for (const DType dtype : test_dtypes()) {
    const DType sum = accumulate_dtype(dtype);
    for (const bool shift_dy : {false, true}) {
      const std::int64_t shift = shift_dy ? 1 : 0;
      const Tensor dy = random_tensor({shift + 200 * 8}, dtype, 3).view(shift, {200, 8});
      const Tensor dtable = random_tensor({2 - shift + 20 * 8}, sum, 4).view(1 - shift, {20, 8});
      expect_sums(random_ids({200}, 20, 2), dy, {dtable, GradientMode::Accumulate},
                  sum == DType::F32 ? 16 * 0x1p-23 : 1e-14, str(dtype, " ", shift_dy));
    }
  }
}

DEVICE_TEST(Embedding, IgnoredGradientIsNotTouched) {
  const Tensor dtable = random_tensor({9, 4}, DType::F32, 4);
  embedding_backward({.ids = random_ids({3}, 9, 1),
                      .dy = random_tensor({3, 4}, DType::F32, 2),
                      .dtable = {dtable, GradientMode::Ignore}},
                     {});
  EXPECT_TRUE(same_bits(dtable, random_tensor({9, 4}, DType::F32, 4)));
}

DEVICE_TEST(Embedding, RowsAreAddedInTheOrderOfTheIds) {
  // in f32 the order shows: (1e8 + 1) - 1e8 is 0, (1e8 - 1e8) + 1 is 1
  const Tensor ids = tensor({3}, DType::I32, {0, 0, 0}), dtable = zeros({1, 1}, DType::F32);
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

DEVICE_TEST(Embedding, BitsDoNotDependOnTheNumberOfThreads) {
  for (const DType dtype : test_dtypes()) {
    const Tensor dy = random_tensor({4000, 200}, dtype, 3);
    for (const std::int64_t rows : {3, 50, 3000}) {  // long runs of an id and short ones
      const Tensor ids = random_ids({4000}, rows, 2);
      expect_thread_independent([&] {
        const Tensor dtable = empty({rows, 200}, accumulate_dtype(dtype));
        embedding_backward({.ids = ids, .dy = dy, .dtable = {dtable, GradientMode::Overwrite}}, {});
        return std::vector<Tensor>{dtable};
      });
    }
  }
}

DEVICE_TEST(Embedding, NoIdsAreAllowed) {
  const Tensor ids = empty({0}, DType::I32), none = empty({0, 4}, DType::F32);
  const Tensor table = random_tensor({9, 4}, DType::F32, 4);
  embedding_forward({.ids = ids, .table = table, .y = none}, {});
  embedding_backward({.ids = ids, .dy = none, .dtable = {table, GradientMode::Accumulate}}, {});
  EXPECT_TRUE(same_bits(table, random_tensor({9, 4}, DType::F32, 4)));
  embedding_backward({.ids = ids, .dy = none, .dtable = {table, GradientMode::Overwrite}}, {});
  EXPECT_EQ(values(table), std::vector<double>(36, 0.0));
}

DEVICE_TEST(Embedding, NoColumnsAreAllowed) {
  const Tensor ids = random_ids({5}, 9, 1), y = empty({5, 0}, DType::F32);
  const Tensor table = empty({9, 0}, DType::F32);
  embedding_forward({.ids = ids, .table = table, .y = y}, {});
  embedding_backward({.ids = ids, .dy = y, .dtable = {table, GradientMode::Overwrite}}, {});
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

DEVICE_TEST(Embedding, IdsOutsideTheTableGiveNanOnAGpu) {
  if (!on_gpu()) return;  // the CPU throws
  // 8 rows: the id that stands for those outside needs one bit more than the others
  std::vector<double> ids(150, -7);
  ids[0] = 8, ids[1] = 7, ids[2] = -2147483648.0, ids[3] = 2147483647, ids[149] = 0;
  for (const std::int64_t d : {3, 4}) {
    const Tensor id = tensor({150}, DType::I32, ids), table = random_tensor({8, d}, DType::F32, 1);
    const Tensor y = random_tensor({150, d}, DType::F32, 2);
    const Tensor dtable = random_tensor({8, d}, DType::F32, 3);
    std::vector<double> want = values(dtable);
    const std::vector<double> dy = values(y), rows = values(table);
    embedding_backward({.ids = id, .dy = y, .dtable = {dtable, GradientMode::Accumulate}}, {});
    embedding_forward({.ids = id, .table = table, .y = y}, {});
    const std::vector<double> got = values(y);
    for (std::int64_t i = 0; i < 150; ++i) {
      for (std::int64_t j = 0; j < d; ++j) {
        const auto at = static_cast<std::size_t>(i * d + j);
        const bool known = i == 1 || i == 149;
        EXPECT_EQ(std::isnan(got[at]), !known) << i;
        if (!known) continue;
        const auto row = static_cast<std::size_t>((i == 1 ? 7 : 0) * d + j);
        EXPECT_EQ(got[at], rows[row]);
        want[row] += dy[at];
      }
    }
    expect_close(dtable, want, 0x1p-23);  // one addition
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
  const Tensor narrow = Tensor::zeros({3, 2}, DType::BF16);
  expect_error([&] { embedding_forward({.ids = ids, .table = table, .y = narrow}, {}); },
               "[embedding_forward] y must be f32, got bf16.");
  expect_error(
      [&] {
        embedding_backward({.ids = ids, .dy = narrow, .dtable = {table, GradientMode::Overwrite}},
                           {});
      },
      "[embedding_backward] dy must be f32, got bf16.");
}

}  // namespace
}  // namespace krait
