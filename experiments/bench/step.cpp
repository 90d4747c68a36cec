#include "experiments/bench/step.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/memory/allocator.h"
#include "core/random.h"
#include "core/stream/stream.h"
#include "core/system/parallel.h"
#include "train/model/model_config.h"
#include "train/parallel/communicator.h"
#include "train/step/training_step.h"
#include "train/task/language_model_objective.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

Tensor random_ids(const StepBenchmark& o, std::uint32_t stream) {
  const RandomStream random{.seed = 1, .stream = stream};
  const Tensor ids = Tensor::empty({o.batch, o.length}, DType::I32);
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    ids.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(random.bits64(static_cast<std::uint64_t>(i)) %
                                  static_cast<std::uint64_t>(o.model.vocab_size));
  }
  return ids;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// A moment in the work of a device.
class Mark {
 public:
  explicit Mark(Device device) : event_(device, true), on_gpu_(device.is_cuda()) {
    event_.record(device_stream(device));
  }
  double milliseconds_since(const Mark& start) const {
    event_.synchronize();
    if (on_gpu_) return event_.milliseconds_since(start.event_);
    return std::chrono::duration<double, std::milli>(time_ - start.time_).count();
  }

 private:
  Event event_;
  Clock::time_point time_ = Clock::now();
  bool on_gpu_;
};

/// The moments between the parts of a step.
struct StepMarks {
  explicit StepMarks(Device device) : begin(device) {}
  Mark begin;
  std::optional<Mark> forward, backward, update;
};

/// Steps of training on one batch of random tokens.
class Bench {
 public:
  Bench(const StepBenchmark& o, const MambaConfig& model)
      : device_(o.device),
        objective_(model, {.recompute = o.recompute}),
        communicator_(make_single_communicator()) {
    objective_.module().initialise(1);
    step_.emplace(objective_,
                  StepOptions{.optimizer = {.lr = kLearningRate},
                              .on_moment = [this](StepMoment moment) { mark(moment); }},
                  *communicator_, device_);
    batch_ = {.inputs = random_ids(o, 1).to(device_),
              .targets = random_ids(o, 2).to(device_),
              .n_targets = o.batch * o.length};
  }

  /// Submits a step; its marks lie in the stream.
  std::unique_ptr<StepMarks> step() {
    if (step_->under_way() == TrainingStep::kMostUnderWay) step_->finish_oldest();
    step_->start(++count_, kLearningRate, {batch_});
    return std::move(marks_);
  }
  std::int64_t parameters() const { return objective_.module().parameter_count(); }

 private:
  static constexpr double kLearningRate = 1e-3;

  void mark(StepMoment moment) {
    switch (moment) {
      case StepMoment::Begun:
        marks_ = std::make_unique<StepMarks>(device_);
        return;
      case StepMoment::Forward:
        marks_->forward.emplace(device_);
        return;
      case StepMoment::Backward:
        marks_->backward.emplace(device_);
        return;
      case StepMoment::Updated:
        marks_->update.emplace(device_);
    }
  }

  Device device_;
  LanguageModelObjective objective_;
  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<StepMarks> marks_;  // of the step that is being submitted
  std::optional<TrainingStep> step_;
  Batch batch_;
  std::int64_t count_ = 0;
};

/// Milliseconds of steps and of their parts.
struct StepTimes {
  std::vector<double> total, forward, backward, update;

  void add(const StepMarks& m) {
    total.push_back(m.update->milliseconds_since(m.begin));
    forward.push_back(m.forward->milliseconds_since(m.begin));
    backward.push_back(m.backward->milliseconds_since(*m.forward));
    update.push_back(m.update->milliseconds_since(*m.backward));
  }
};

StepTimes measure(Bench& bench, double seconds) {
  constexpr std::size_t kLeastSteps = 5;
  StepTimes times;
  const auto start = Clock::now();
  auto under_way = bench.step();
  while (times.total.size() < kLeastSteps ||
         std::chrono::duration<double>(Clock::now() - start).count() < seconds) {
    auto next = bench.step();
    times.add(*under_way);
    under_way = std::move(next);
  }
  times.add(*under_way);
  return times;
}

}  // namespace

nlohmann::ordered_json run_step_benchmark(const StepBenchmark& o) {
  if (o.threads > 0) set_thread_count(o.threads);
  const ContextScope scope(precision_context(o.device, o.precision));
  Bench bench(o, model_config(o.model, o.model.vocab_size, o.precision));
  bench.step();
  const std::uint64_t calls = allocator(o.device).statistics().driver_calls;
  for (int i = 1; i < o.warmup; ++i) bench.step();
  const StepTimes times = measure(bench, o.seconds);
  const AllocatorStatistics memory = allocator(o.device).statistics();
  const double ms = median(times.total);
  return {{"d_model", o.model.d_model},
          {"n_layer", o.model.n_layer},
          {"vocab_size", o.model.vocab_size},
          {"parameters", bench.parameters()},
          {"batch", o.batch},
          {"length", o.length},
          {"dtype", name_of(o.precision)},
          {"device", describe_device(o.device)},
          {"recompute", o.recompute},
          {"threads", thread_count()},
          {"steps", times.total.size()},
          {"median_ms", ms},
          {"min_ms", *std::min_element(times.total.begin(), times.total.end())},
          {"max_ms", *std::max_element(times.total.begin(), times.total.end())},
          {"forward_ms", median(times.forward)},
          {"backward_ms", median(times.backward)},
          {"update_ms", median(times.update)},
          {"tokens_per_second", static_cast<double>(o.batch * o.length) / ms * 1000},
          {"peak_bytes", memory.peak},
          {"driver_calls_after_first_step", memory.driver_calls - calls}};
}

}  // namespace krait
