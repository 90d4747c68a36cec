#include "train/step/training_step.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "core/random.h"
#include "kernels/copy.h"
#include "tests/support/device.h"
#include "tests/support/tensors.h"
#include "train/run/checkpoint.h"
#include "train/task/language_model_objective.h"

namespace krait {
namespace {

using testing::on_gpu;
using testing::test_device;

constexpr std::int64_t kVocabulary = 29, kRows = 3, kLength = 20, kMicroBatches = 2;

ModelConfig small_model(DType dtype) {
  ModelConfig c{.d_model = 16,
                .n_layer = 2,
                .vocab_size = kVocabulary,
                .mamba1 = {.d_state = 4},
                .dropout = 0.2,
                .dtype = dtype == DType::F64 ? DType::F64 : DType::F32};
  if (dtype == DType::BF16) c.compute = dtype;
  return c;
}

/// Random tokens, some targets ignored, two documents in each row.
std::vector<Batch> batches_of(std::int64_t step, std::int64_t length = kLength) {
  std::vector<Batch> batches;
  for (std::int64_t m = 0; m < kMicroBatches; ++m) {
    const RandomStream random{.seed = static_cast<std::uint64_t>(100 * step + m)};
    Batch b{.inputs = Tensor::empty({kRows, length}, DType::I32),
            .targets = Tensor::empty({kRows, length}, DType::I32),
            .sequence_ids = Tensor::empty({kRows, length}, DType::I32)};
    for (std::int64_t i = 0; i < kRows * length; ++i) {
      const std::uint64_t bits = random.bits64(static_cast<std::uint64_t>(i));
      const bool ignored = bits % 5 == 0 && m == 0;
      b.inputs.data<std::int32_t>()[i] = static_cast<std::int32_t>(bits / 7 % kVocabulary);
      b.targets.data<std::int32_t>()[i] =
          ignored ? kIgnoreIndex : static_cast<std::int32_t>(bits / 400 % kVocabulary);
      b.sequence_ids.data<std::int32_t>()[i] = i % length < 7 ? 0 : 1;
      if (!ignored) ++b.n_targets;
    }
    batches.push_back(b);
  }
  return batches;
}

double rate_of(std::int64_t step) {
  return 1e-2 / static_cast<double>(step);
}

struct Run {
  std::vector<StepFigures> figures;
  std::string parameters, average;
};

/// Steps 1 to `steps`, each with other tokens, another learning rate and other dropout masks.
Run run_steps(DType dtype, bool recorded, std::int64_t steps,
              const std::function<std::int64_t(std::int64_t)>& length = {}) {
  LanguageModelObjective objective(small_model(dtype), {.label_smoothing = 0.1});
  objective.module().initialise(3);
  const auto communicator = make_single_communicator();
  TrainingStep step(
      objective,
      {.micro_batches = kMicroBatches, .seed = 5, .average_decay = 0.75, .recorded = recorded},
      *communicator, test_device());
  Run run;
  for (std::int64_t i = 1; i <= steps; ++i) {
    if (step.under_way() == TrainingStep::kMostUnderWay) {
      run.figures.push_back(step.finish_oldest());
    }
    step.start(i, rate_of(i), batches_of(i, length ? length(i) : kLength));
  }
  while (step.under_way() > 0) run.figures.push_back(step.finish_oldest());
  run.parameters = tensor_hash(step.arena().named(step.arena().value()));
  run.average = tensor_hash(step.arena().named(step.average()->average()));
  return run;
}

void expect_equal(const Run& got, const Run& want) {
  ASSERT_EQ(got.figures.size(), want.figures.size());
  for (std::size_t i = 0; i < want.figures.size(); ++i) {
    EXPECT_EQ(got.figures[i].number, want.figures[i].number);
    EXPECT_EQ(got.figures[i].loss, want.figures[i].loss) << "step " << i + 1;
    EXPECT_EQ(got.figures[i].gradient_norm, want.figures[i].gradient_norm) << "step " << i + 1;
  }
  EXPECT_EQ(got.parameters, want.parameters);
  EXPECT_EQ(got.average, want.average);
}

std::vector<DType> model_dtypes() {
  return on_gpu() ? std::vector{DType::F32, DType::BF16} : std::vector{DType::F32, DType::F64};
}

DEVICE_TEST(TrainingStep, ARecordedStepReplayedTenTimesGivesTheBitsOfElevenEagerOnes) {
  const ContextScope scope(execution_context(test_device()));
  for (const DType dtype : model_dtypes()) {
    const Run eager = run_steps(dtype, false, 11), recorded = run_steps(dtype, true, 11);
    expect_equal(recorded, eager);
    EXPECT_NE(eager.parameters, eager.average);
    EXPECT_NE(eager.figures[0].loss, eager.figures[1].loss);
  }
}

DEVICE_TEST(TrainingStep, AStepOfAnotherLengthIsRecordedAnew) {
  const ContextScope scope(execution_context(test_device()));
  const auto length = [](std::int64_t step) {
    return step < 4 || step > 6 ? kLength : kLength + 9;
  };
  expect_equal(run_steps(DType::F32, true, 9, length), run_steps(DType::F32, false, 9, length));
}

DEVICE_TEST(TrainingStep, FiguresSayWhatTheStepDid) {
  const ContextScope scope(execution_context(test_device()));
  const Run run = run_steps(DType::F32, false, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = static_cast<std::int64_t>(i) + 1;
    EXPECT_EQ(run.figures[i].number, number);
    EXPECT_EQ(run.figures[i].learning_rate, rate_of(number));
    const auto batches = batches_of(number);
    EXPECT_EQ(run.figures[i].targets, batches[0].n_targets + batches[1].n_targets);
    EXPECT_GT(run.figures[i].gradient_norm, 0);
    EXPECT_GT(run.figures[i].seconds, 0);
    EXPECT_NEAR(run.figures[i].loss, std::log(kVocabulary), 0.5);  // of a model that knows nothing
  }
}

DEVICE_TEST(TrainingStep, NamesTheFirstGradientThatIsNotFiniteAndChangesNothing) {
  const ContextScope scope(execution_context(test_device()));
  LanguageModelObjective objective(small_model(DType::F32), {});
  objective.module().initialise(3);
  const auto communicator = make_single_communicator();
  TrainingStep step(objective, {.micro_batches = kMicroBatches}, *communicator, test_device());
  EXPECT_EQ(step.first_non_finite_gradient(1, batches_of(1)), "none");
  const NamedTensor last = step.arena().named(step.arena().value()).back();
  fill({.y = last.tensor, .value = std::numeric_limits<double>::infinity()}, current_context());
  const std::string before = tensor_hash(step.arena().named(step.arena().value()));
  step.start(1, 0.1, batches_of(1));
  EXPECT_FALSE(step.finish_oldest().are_finite());
  EXPECT_EQ(tensor_hash(step.arena().named(step.arena().value())), before);
  EXPECT_NE(step.first_non_finite_gradient(1, batches_of(1)), "none");
}

TEST(TrainingStep, RefusesAThirdStepUnderWayAndAnotherNumberOfBatches) {
  LanguageModelObjective objective(small_model(DType::F32), {});
  objective.module().initialise(3);
  const auto communicator = make_single_communicator();
  TrainingStep step(objective, {.micro_batches = kMicroBatches}, *communicator, {});
  EXPECT_THROW(step.finish_oldest(), Error);
  EXPECT_THROW(step.start(1, 0.1, {batches_of(1)[0]}), Error);
  step.start(1, 0.1, batches_of(1));
  step.start(2, 0.1, batches_of(2));
  EXPECT_THROW(step.start(3, 0.1, batches_of(3)), Error);
}

}  // namespace
}  // namespace krait
