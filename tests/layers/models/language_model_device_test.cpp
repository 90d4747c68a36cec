// The language model on every device and in every precision.
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/view.h"
#include "core/memory/allocator.h"
#include "core/system/parallel.h"
#include "kernels/copy.h"
#include "layers/models/language_model.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using testing::on_gpu;
using testing::random_ids;
using testing::same_bits;
using testing::test_device;
using testing::values;

constexpr std::int64_t kVocabulary = 29;

ModelConfig small(DType compute) {
  ModelConfig c{.d_model = 16, .n_layer = 2, .vocab_size = kVocabulary, .mamba1 = {.d_state = 8}};
  if (compute != DType::F32) c.compute = compute;
  return c;
}

/// The same with every option that published models may have.
ModelConfig with_options(DType compute) {
  ModelConfig c = small(compute);
  c.mamba1.norm_bcdt = c.mamba1.proj_bias = true;
  c.mamba1.conv_bias = false;
  return c;
}

/// What models compute in, on the test's device.
std::vector<DType> precisions() {
  return on_gpu() ? std::vector{DType::F32, DType::BF16} : std::vector{DType::F32};
}

/// A model on the test's device, its gradients in f32 as in training.
std::unique_ptr<LanguageModel> make_model(const ModelConfig& c) {
  auto model = std::make_unique<LanguageModel>(c);
  model->initialise(21);
  model->place(test_device());
  for (const Variable& v : model->variables()) {
    v.bind(v.value(), testing::zeros(v.shape(), DType::F32));
  }
  return model;
}

struct Outcome {
  Tensor logits, losses;
  std::map<std::string, Tensor> gradients;
};

/// One forward and backward pass.
Outcome run_model(const LanguageModel& model, const ModelRun& run = {}, std::int64_t length = 70) {
  const TrainingScope scope(5, 3);
  for (const Variable& v : model.variables()) v.grad().zero();
  const Tensor ids = random_ids({2, length}, kVocabulary, 1),
               targets = random_ids({2, length}, kVocabulary, 2);
  const ModelHidden out = model.forward(ids, run);
  const Variable losses = model.losses(out.hidden, targets);
  Outcome result{.losses = losses.value()};
  {
    const NoGradScope no_grad;
    result.logits = model.logits(out.hidden).value();
  }
  backward(mean(losses));
  for (const Parameter& p : model.parameters()) {
    const Tensor kept = testing::empty(p.variable.shape(), DType::F32);
    copy({.x = p.variable.grad(), .y = kept}, {});
    result.gradients[p.name] = kept;
  }
  return result;
}

/// Largest difference, relative to the largest element of `want`.
double difference(const Tensor& got, const Tensor& want) {
  const std::vector<double> a = values(got), b = values(want);
  EXPECT_EQ(a.size(), b.size());
  double worst = 0, scale = 1e-300;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (std::isnan(a[i])) return a[i];
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

double sum_of(const Tensor& t) {
  double sum = 0;
  for (const double v : values(t)) sum += v;
  return sum;
}

TEST(LanguageModel, MixedPrecisionNarrowsMatricesAndTheEmbeddingOnly) {
  const LanguageModel model(small(DType::BF16));
  model.initialise(1);
  EXPECT_EQ(model.head().dtype(), DType::F32);  // as it is built and initialised
  model.place({});
  for (const Parameter& p : model.parameters()) {
    const bool matrix = p.name.ends_with("proj.weight") || p.name.ends_with("embedding.weight");
    EXPECT_EQ(p.variable.dtype(), matrix ? DType::BF16 : DType::F32) << p.name;
  }
  const LanguageModel wide(small(DType::F32));
  wide.initialise(1);
  const Tensor before = wide.head().value();
  wide.place({});
  EXPECT_EQ(wide.head().value().storage(), before.storage());
}

DEVICE_TEST(LanguageModelDevice, RecomputedBlocksGiveTheSameBits) {
  for (const DType compute : precisions()) {
    ModelConfig c = small(compute);
    c.dropout = 0.2;
    const auto model = make_model(c);
    const Outcome stored = run_model(*model), again = run_model(*model, {.recompute = true});
    EXPECT_TRUE(same_bits(stored.losses, again.losses)) << compute;
    for (const auto& [name, gradient] : stored.gradients) {
      EXPECT_TRUE(same_bits(gradient, again.gradients.at(name))) << name << " in " << compute;
    }
  }
}

DEVICE_TEST(LanguageModelDevice, OptionsOfTheBlockAreRecomputedToTheSameBits) {
  for (const DType compute : precisions()) {
    const auto model = make_model(with_options(compute));
    const Outcome stored = run_model(*model), again = run_model(*model, {.recompute = true});
    EXPECT_TRUE(same_bits(stored.logits, again.logits)) << compute;
    for (const auto& [name, gradient] : stored.gradients) {
      EXPECT_TRUE(same_bits(gradient, again.gradients.at(name))) << name << " in " << compute;
    }
  }
}

DEVICE_TEST(LanguageModelDevice, TwoRunsGiveTheSameBits) {
  for (const DType compute : precisions()) {
    const auto model = make_model(small(compute));
    const Outcome first = run_model(*model), second = run_model(*model);
    EXPECT_TRUE(same_bits(first.logits, second.logits)) << compute;
    for (const auto& [name, gradient] : first.gradients) {
      EXPECT_TRUE(same_bits(gradient, second.gradients.at(name))) << name << " in " << compute;
    }
  }
}

DEVICE_TEST(LanguageModelDevice, PiecesWithCarriedStateEqualTheWhole) {
  for (const DType compute : precisions()) {
    const auto model = make_model(small(compute));
    const NoGradScope no_grad;
    const Tensor ids = random_ids({2, 40}, kVocabulary, 3);
    const Tensor whole = model->logits(model->forward(ids).hidden).value();
    ModelState state;
    const std::vector<std::int64_t> ends{1, 2, 5, 39, 40};
    std::int64_t first = 0;
    for (const std::int64_t end : ends) {
      const auto out = model->forward(
          testing::tensor({2, end - first}, DType::I32, values(ids.slice(1, first, end))),
          {.initial = first > 0 ? &state : nullptr, .want_final = true});
      state = out.final;
      // Other shapes of matrix products, so other orders of sums in f32; in bf16 a value near the
      // middle between two numbers may be rounded to the other one, a few times in a row.
      EXPECT_LE(difference(model->logits(out.hidden).value(), whole.slice(1, first, end)),
                compute == DType::BF16 ? 0x1p-6 : 1e-5)
          << first << " to " << end << " in " << compute;
      first = end;
    }
  }
}

DEVICE_TEST(LanguageModelDevice, AfterTheFirstPassNoMemoryIsTakenFromTheSystem) {
  const int threads = thread_count();
  set_thread_count(1);  // see LanguageModel.AfterTheFirstPassNoMemoryIsTakenFromTheSystem
  for (const DType compute : precisions()) {
    const auto model = make_model(small(compute));
    run_model(*model);
    std::uint64_t calls[2] = {};
    for (std::uint64_t& count : calls) {
      run_model(*model);
      count = allocator(test_device()).statistics().driver_calls;
    }
    EXPECT_EQ(calls[1], calls[0]) << compute;
  }
  set_thread_count(threads);
}

/// The same pass on the CPU in f32 and on the GPU.
class GpuMambaLM : public ::testing::Test {
 protected:
  void SetUp() override { KRAIT_SKIP_WITHOUT_GPU(); }
  static Outcome on_cpu(std::int64_t length) {
    return run_model(*make_model(small(DType::F32)), {}, length);
  }
  static Outcome on_gpu(DType compute, std::int64_t length) {
    return on_gpu(small(compute), length);
  }
  static Outcome on_gpu(const ModelConfig& config, std::int64_t length) {
    const testing::TestDeviceScope scope(testing::kGpu);
    return run_model(*make_model(config), {}, length);
  }
};

TEST_F(GpuMambaLM, OptionsOfTheBlockAgreeWithTheCpu) {
  const Outcome want = run_model(*make_model(with_options(DType::F32)), {}, 33);
  for (const DType compute : {DType::F32, DType::BF16}) {
    const bool narrow = compute == DType::BF16;
    const Outcome got = on_gpu(with_options(compute), 33);
    // As below. Gradients through the norms of B, C and dt are differences of rounded numbers: up
    // to 0.162 was measured in bf16.
    EXPECT_LE(difference(got.logits, want.logits), narrow ? 0x1p-5 : 1e-5) << compute;
    for (const auto& [name, gradient] : want.gradients) {
      EXPECT_LE(difference(got.gradients.at(name), gradient), narrow ? 0x1p-2 : 1e-4)
          << name << " in " << compute;
    }
  }
}

TEST_F(GpuMambaLM, InF32AgreesWithTheCpu) {
  for (const std::int64_t length : {1, 33, 300}) {  // within one chunk of the scan and over several
    const Outcome want = on_cpu(length), got = on_gpu(DType::F32, length);
    EXPECT_LE(difference(got.logits, want.logits), 1e-5) << length;
    EXPECT_NEAR(sum_of(got.losses), sum_of(want.losses), 1e-5 * sum_of(want.losses)) << length;
    for (const auto& [name, gradient] : want.gradients) {
      EXPECT_LE(difference(got.gradients.at(name), gradient), 1e-4) << name << " " << length;
    }
  }
}

TEST_F(GpuMambaLM, InBf16AgreesWithTheCpuWithinItsRounding) {
  for (const std::int64_t length : {33, 300}) {
    const Outcome want = on_cpu(length), got = on_gpu(DType::BF16, length);
    EXPECT_EQ(got.logits.dtype(), DType::BF16);
    EXPECT_EQ(got.losses.dtype(), DType::F32);
    // Each of some ten roundings on the way is up to 2^-9; they add like random steps.
    EXPECT_LE(difference(got.logits, want.logits), 0x1p-6) << length;
    EXPECT_NEAR(sum_of(got.losses), sum_of(want.losses), 0.01 * sum_of(want.losses)) << length;
    for (const auto& [name, gradient] : want.gradients) {
      EXPECT_LE(difference(got.gradients.at(name), gradient), 0x1p-4) << name << " " << length;
    }
  }
}

}  // namespace
}  // namespace krait
