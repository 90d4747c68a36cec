#include "train/generate/decoder.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/copy.h"
#include "tests/support/device.h"
#include "tests/support/tiny_model.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

/// The logits after `ids`, from one forward pass over all of them.
std::vector<double> whole_logits(const LanguageModel& model, const Ids& ids) {
  const NoGradScope no_grad;
  const Tensor x = Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(ids.size())},
                                              std::span<const std::int32_t>(ids));
  const Tensor logits = model.logits(model.forward(x.to(model.device())).hidden).value().to({});
  const Tensor wide = Tensor::empty(logits.shape(), DType::F64);
  copy({.x = logits, .y = wide}, {});
  const auto last = wide.span<double>().last(static_cast<std::size_t>(wide.size(-1)));
  return {last.begin(), last.begin() + model.config().vocab_size};
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

/// Rows that start at different times and one that starts anew: each is what a forward pass over
/// its own tokens gives, within `tolerance`.
void expect_rows_of_their_own(const LanguageModel& model, double tolerance) {
  Decoder decoder(model, 3, 4);
  std::vector<Ids> texts{random_tokens(9, 19, 1), random_tokens(1, 19, 2), random_tokens(4, 19, 3)};
  for (std::int64_t row = 0; row < 3; ++row) {
    decoder.start(row, texts[static_cast<std::size_t>(row)]);
  }
  for (std::int32_t step = 0; step < 12; ++step) {
    if (step == 5) {
      texts[1] = random_tokens(6, 19, 4);
      decoder.start(1, texts[1]);
    }
    for (std::int64_t row = 0; row < 3; ++row) {
      const Ids& text = texts[static_cast<std::size_t>(row)];
      EXPECT_LE(difference(decoder.logits(row), whole_logits(model, text)), tolerance)
          << "row " << row << " step " << step;
    }
    Ids next;
    for (std::int32_t row = 0; row < 3; ++row) {
      next.push_back((7 * step + 5 * row) % 19);
      texts[static_cast<std::size_t>(row)].push_back(next.back());
    }
    decoder.step(next);
  }
}

TEST(Decoder, ARowIsWhatAForwardPassOverItsTokensGives) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  expect_rows_of_their_own(model, 1e-12);  // sums in another order
}

TEST(GpuDecoder, ARowIsWhatAForwardPassOverItsTokensGives) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  const LanguageModel f32(tiny_config(DType::F32));
  initialise_tiny(f32);
  f32.place(testing::kGpu);
  expect_rows_of_their_own(f32, 1e-5);
  ModelConfig mixed = tiny_config(DType::F32);
  mixed.compute = DType::BF16;
  const LanguageModel bf16(mixed);
  initialise_tiny(bf16);
  bf16.place(testing::kGpu);
  expect_rows_of_their_own(bf16, 0.05);  // logits of size 1 to 3, rounded to 8 bits in each layer
}

TEST(GpuDecoder, AStepAllocatesNothing) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  const LanguageModel model(tiny_config(DType::F32));
  initialise_tiny(model);
  model.place(testing::kGpu);
  Decoder decoder(model, 2);
  decoder.start(0, Ids{1, 2, 3});
  decoder.start(1, Ids{4});
  const auto allocations = [] { return allocator(testing::kGpu).statistics().allocations; };
  if (allocator(testing::kGpu).mode() == AllocatorMode::Exact) GTEST_SKIP() << "not recorded";
  const std::uint64_t before = allocations();
  for (std::int32_t i = 0; i < 5; ++i) decoder.step(Ids{i, i + 1});
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(decoder.logits(1).size(), 19u);
}

TEST(Decoder, RefusesRowsAndTokensThatDoNotFit) {
  const LanguageModel model(tiny_config(DType::F32));
  initialise_tiny(model);
  Decoder decoder(model, 2);
  EXPECT_THROW(decoder.start(2, Ids{1}), Error);
  EXPECT_THROW(decoder.start(0, Ids{}), Error);
  EXPECT_THROW(decoder.step(Ids{1}), Error);
  EXPECT_THROW(decoder.logits(-1), Error);
  EXPECT_THROW(Decoder(model, 0), Error);
}

}  // namespace
}  // namespace krait
