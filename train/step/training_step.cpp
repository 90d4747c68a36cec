#include "train/step/training_step.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/engine.h"
#include "core/memory/memory.h"
#include "core/stream/profile.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "layers/basic/dropout.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

/// Puts `from` where `to` already lies on a GPU, if the shapes agree, else makes `to` anew. Gives
/// whether a recorded step that reads `to` sees the new values.
bool put(const Tensor& from, Tensor& to, Device device) {
  const bool in_place = from.defined() == to.defined() &&
                        (!from.defined() || (device.is_cuda() && from.shape() == to.shape() &&
                                             from.dtype() == to.dtype()));
  if (!in_place) {
    to = from.defined() ? from.to(device) : Tensor();
  } else if (from.defined() && from.storage() != to.storage()) {
    copy_memory({.to = to.storage()->data(), .device = device},
                {.from = from.storage()->data(), .device = from.device()}, from.bytes());
  }
  return in_place;
}

}  // namespace

bool StepFigures::are_finite() const {
  return std::isfinite(loss) && std::isfinite(gradient_norm);
}

TrainingStep::TrainingStep(const Objective& objective, const StepOptions& options,
                           Communicator& communicator, Device device)
    : objective_(objective),
      options_(options),
      communicator_(communicator),
      arena_(objective.module(), device),
      optimizer_(arena_, options.optimizer),
      scalars_(arena_.value().dtype(), device),
      batches_(static_cast<std::size_t>(options.micro_batches)),
      figures_(Tensor::zeros({options.micro_batches + 1}, arena_.value().dtype(), device)) {
  KRAIT_REQUIRE(options.micro_batches >= 1, "[TrainingStep] micro_batches must be >= 1, got ",
                options.micro_batches, ".");
  for (std::size_t i = 0; i < kMostUnderWay; ++i) readbacks_.emplace_back(device, figures_.bytes());
  if (options.average_decay > 0) average_.emplace(arena_, options.average_decay);
}

/// Puts numbers and batches where compute() reads them.
TrainingStep::Prepared TrainingStep::prepare(std::int64_t number, double learning_rate,
                                             std::vector<Batch> batches) {
  KRAIT_REQUIRE(batches.size() == batches_.size(), "[TrainingStep] a step has ", batches_.size(),
                " micro-batches, got ", batches.size(), ".");
  Prepared prepared{.figures = {.number = number, .learning_rate = learning_rate},
                    .same_places = true};
  const Device device = arena_.value().device();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch& from = batches[i];
    Batch& here = batches_[i];
    prepared.figures.targets += from.n_targets;
    prepared.same_places &= put(from.inputs, here.inputs, device);
    prepared.same_places &= put(from.targets, here.targets, device);
    prepared.same_places &= put(from.sequence_ids, here.sequence_ids, device);
    here.n_targets = from.n_targets;
    here.first_sample = from.first_sample;
  }
  prepared.figures.targets = communicator_.sum(prepared.figures.targets);
  // The mean over the targets of the whole step: micro-batches weigh by their tokens.
  const auto targets = static_cast<double>(std::max<std::int64_t>(prepared.figures.targets, 1));
  scalars_.set({.number = number,
                .learning_rate = learning_rate,
                .loss_weight = 1 / targets,
                .pass = (number - 1) * options_.micro_batches});
  return prepared;
}

void TrainingStep::start(std::int64_t number, double learning_rate, std::vector<Batch> batches) {
  KRAIT_REQUIRE(started_.size() < kMostUnderWay, "[TrainingStep] ", kMostUnderWay,
                " steps are under way already.");
  const ProfileRange range("step");
  const Clock::time_point begun = Clock::now();
  const Prepared prepared = prepare(number, learning_rate, std::move(batches));
  if (!options_.recorded) {
    compute();
  } else if (graph_ != nullptr && prepared.same_places) {
    graph_->replay();
  } else {
    graph_.reset();
    graph_ = std::make_unique<Graph>([this] { compute(); });
  }
  readbacks_.at(static_cast<std::size_t>(number) % readbacks_.size()).start(figures_);
  started_.push_back({prepared.figures, begun});
}

/// Reads only device memory, and nothing in it waits for the device: it can be recorded.
void TrainingStep::compute() {
  mark(StepMoment::Begun);
  compute_gradients();
  const ProfileRange range("optimizer");
  const Tensor& norm = optimizer_.gradient_norm();
  const std::int64_t last = options_.micro_batches;
  copy({.x = norm, .y = figures_.slice(0, last, last + 1)}, current_context());
  optimizer_.update(scalars_);
  if (average_) average_->update();
  mark(StepMoment::Updated);
}

/// The gradients of batches_, and their losses in figures_.
void TrainingStep::compute_gradients() {
  arena_.zero_grad();
  for (std::int64_t i = 0; i < options_.micro_batches; ++i) pass_over(i);
  communicator_.all_reduce(arena_.grad());
  communicator_.all_reduce(figures_.slice(0, 0, options_.micro_batches));
  for (std::int64_t i = 0; i < options_.micro_batches; ++i) {
    optimizer_.require_finite(figures_.slice(0, i, i + 1));
  }
}

/// Adds the gradients of one micro-batch, times the weight of the loss, and notes the sum of its
/// losses.
void TrainingStep::pass_over(std::int64_t micro_batch) {
  const TrainingScope scope(options_.seed, static_cast<std::uint64_t>(micro_batch),
                            scalars_.pass());
  Variable total;
  {
    const ProfileRange range("forward");
    total = objective_.loss(batches_[static_cast<std::size_t>(micro_batch)]);
  }
  mark(StepMoment::Forward);
  {
    const ProfileRange range("backward");
    backward(total, scalars_.loss_weight());
  }
  mark(StepMoment::Backward);
  copy({.x = total.value(), .y = figures_.slice(0, micro_batch, micro_batch + 1)},
       current_context());
}

StepFigures TrainingStep::finish_oldest() {
  KRAIT_REQUIRE(!started_.empty(), "[TrainingStep] no step is under way.");
  const Started oldest = started_.front();
  StepFigures figures = oldest.figures;
  const Tensor read =
      readbacks_.at(static_cast<std::size_t>(figures.number) % readbacks_.size()).wait();
  started_.pop_front();
  const std::int64_t micro_batches = options_.micro_batches;
  for (std::int64_t i = 0; i < micro_batches; ++i) figures.loss += read.slice(0, i, i + 1).item();
  figures.loss /= static_cast<double>(std::max<std::int64_t>(figures.targets, 1));
  figures.gradient_norm = read.slice(0, micro_batches, micro_batches + 1).item();
  const Clock::time_point now = Clock::now();
  figures.seconds =
      std::chrono::duration<double>(now - std::max(oldest.begun, finished_at_)).count();
  finished_at_ = now;
  return figures;
}

std::string TrainingStep::first_non_finite_gradient(std::int64_t number,
                                                    std::vector<Batch> batches) {
  KRAIT_REQUIRE(started_.empty(), "[TrainingStep] a step is under way.");
  prepare(number, 0, std::move(batches));
  compute_gradients();
  for (const NamedTensor& g : arena_.named(arena_.grad())) {
    const Tensor norm = Tensor::empty({1}, g.tensor.dtype(), g.tensor.device());
    l2_norm({.x = g.tensor, .norm = norm}, current_context());
    if (!std::isfinite(norm.item())) return g.name;
  }
  return "none";
}

void TrainingStep::mark(StepMoment moment) const {
  if (options_.on_moment) options_.on_moment(moment);
}

}  // namespace krait
