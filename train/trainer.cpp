#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "core/memory/allocator.h"
#include "core/stream/profile.h"
#include "core/system/parallel.h"
#include "data/loader/loader.h"
#include "train/parallel/communicator.h"
#include "train/record/json_lines.h"
#include "train/run/checkpoint_writer.h"
#include "train/run/run_directory.h"
#include "train/run/same_run.h"
#include "train/run/stop.h"
#include "train/step/schedule.h"
#include "train/step/training_step.h"
#include "train/task/make_task.h"

namespace krait {
namespace {

StepOptions step_options(const Config& c) {
  return {.micro_batches = c.train.accumulation,
          .seed = static_cast<std::uint64_t>(c.run.seed),
          .optimizer = c.optimizer,
          .average_decay = c.train.ema_decay};
}

LoaderOptions loader_options(const Config& c) {
  return {.batch_size = c.train.batch_size / c.train.accumulation,
          .seed = static_cast<std::uint64_t>(c.run.seed),
          .prefetch = static_cast<int>(c.data.prefetch)};
}

/// An evaluation of one checkpoint.
struct Evaluated {
  std::vector<Evaluation> evaluations;  // one for each evaluator; empty: none was due
  bool best = false;                    // the decisive figure is the best so far
};

class Trainer {
 public:
  Trainer(const Config& config, const TrainOptions& options);
  TrainResult run();

 private:
  void begin();
  void resume();
  void continue_from(const CheckpointInfo& checkpoint);
  void keep_best_of_same_data(const Config& before);
  void start_step(std::int64_t number);
  std::vector<Batch> next_batches();
  Evaluated finish_step();
  Evaluated finish_steps_until(std::size_t left);
  [[noreturn]] void report_non_finite(const StepFigures& step);
  bool evaluation_due(std::int64_t step) const;
  bool checkpoint_due(std::int64_t step) const;
  Evaluated evaluate();
  void record(const StepFigures& step, const Evaluated& evaluated);
  void save();
  void finish_saving();
  CheckpointTensors tensors();
  void say(const std::string& line);

  Config config_;
  TrainOptions options_;
  ExecutionContext context_;
  std::unique_ptr<Task> task_;  // before the directory: a run whose data are missing leaves nothing
  RunDirectory directory_;
  CheckpointWriter writer_;
  std::unique_ptr<Communicator> communicator_ = make_single_communicator();
  TrainingStep step_;
  LearningRate learning_rate_;
  Loader loader_;
  std::deque<std::uint64_t> samples_;  // drawn from the loader up to the end of each started step
  TrainingPosition position_;          // after the last step that is finished
  std::optional<JsonLines> metrics_;
  std::optional<Progress> progress_;
  TrainResult result_;
};

Trainer::Trainer(const Config& config, const TrainOptions& options)
    : config_(config),
      options_(options),
      context_(precision_context(resolve_device(config), config.train.precision)),
      task_(make_task(config)),
      directory_(config.run.directory),
      writer_(directory_.checkpoints()),
      step_(task_->objective(), step_options(config), *communicator_, context_.device),
      learning_rate_{config.schedule, config.optimizer.lr, config.train.steps},
      loader_(task_->training_data(), loader_options(config)) {}

void Trainer::say(const std::string& line) {
  directory_.log(line);
  if (progress_) {
    progress_->message(line);
  } else {
    options_.output.write(line + "\n");
  }
}

CheckpointTensors Trainer::tensors() {
  const ParameterArena& arena = step_.arena();
  CheckpointTensors tensors{.parameters = arena.named(arena.value()),
                            .first_moment = arena.named(step_.optimizer().first_moment()),
                            .second_moment = arena.named(step_.optimizer().second_moment())};
  if (step_.average() != nullptr) tensors.average = arena.named(step_.average()->average());
  return tensors;
}

/// The best evaluation so far counts only against evaluations of the same kind on the same data.
void Trainer::keep_best_of_same_data(const Config& before) {
  if (position_.best_step == 0 || task_->evaluators().empty()) return;
  const bool same = position_.best_identity.empty()  // a checkpoint of 0.1.0
                        ? before.data.valid == config_.data.valid &&
                              before.evaluation.max_tokens == config_.evaluation.max_tokens
                        : position_.best_identity == task_->evaluators().front()->identity();
  if (same) return;
  position_.best_loss = std::numeric_limits<double>::infinity();
  position_.best_step = 0;
  position_.best_identity.clear();
  say("the evaluation is not the one of the checkpoint: its results no longer decide the best one");
}

void Trainer::continue_from(const CheckpointInfo& checkpoint) {
  const CheckpointState state = read_checkpoint_state(checkpoint.path);
  const Config before = parse_config(state.config_yaml, (checkpoint.path / "config.yaml").string());
  for (const std::string& line : require_same_run(before, config_)) say(line);
  require_same_data(state, task_->data_identity(), config_);
  CheckpointTensors wanted = tensors();
  const bool new_average = step_.average() != nullptr && !has_averaged_weights(checkpoint.path);
  if (new_average) wanted.average.clear();
  read_checkpoint_tensors(checkpoint.path, wanted);
  step_.arena().refresh_compute();
  if (new_average) {
    step_.average()->restart();
    say("the checkpoint has no averaged weights: the average starts at the trained ones");
  }
  position_ = state.position;
  keep_best_of_same_data(before);
  loader_.skip_to(position_.samples);
  result_.checkpoint = checkpoint.path.string();
  say(fmt::format("resumed from {}", checkpoint.path.string()));
}

void Trainer::resume() {
  remove_partial_checkpoints(directory_.checkpoints());
  std::vector<std::string> skipped;
  const auto newest = newest_valid_checkpoint(directory_.checkpoints(), &skipped);
  for (const std::string& problem : skipped) say("skipped a damaged checkpoint: " + problem);
  if (newest) {
    continue_from(*newest);
  } else {
    KRAIT_CHECK(BadData, skipped.empty(), "no checkpoint in '", directory_.checkpoints().string(),
                "' is intact, so the run cannot continue: ", skipped.front(),
                "; to start over, remove the run directory.");
    if (task_->read_initial_weights(step_.arena().named(step_.arena().value()))) {
      step_.arena().refresh_compute();
      if (step_.average() != nullptr) step_.average()->restart();
      say("starts from the weights of " + config_.train.initial_weights);
    }
  }
  truncate_json_lines_after(directory_.metrics(), position_.step);
}

void Trainer::begin() {
  if (config_.run.threads > 0) set_thread_count(static_cast<int>(config_.run.threads));
  set_profile_ranges(config_.run.profile_ranges);
  if (config_.data.verify) task_->verify_data();
  resume();
  write_file_atomic(directory_.config(), dump_yaml(config_));
  metrics_.emplace(directory_.metrics());
  const std::int64_t length = task_->sample_length();
  say(fmt::format(
      "{}: {} parameters, {} of training data, {} steps of {} x {} tokens in {} on {},"
      " {} CPU threads",
      config_.run.directory,
      format_count(static_cast<double>(task_->objective().module().parameter_count())),
      task_->data_size(), config_.train.steps, config_.train.batch_size, length,
      name_of(config_.train.precision), describe_device(context_.device), thread_count()));
  for (const std::string& line : task_->description()) say(line);
  progress_.emplace(
      ProgressOptions{.label = "train",
                      .total = config_.train.steps,
                      .first = position_.step,
                      .work = "tokens",
                      .work_per_item = static_cast<double>(config_.train.batch_size * length)},
      options_.output);
}

std::vector<Batch> Trainer::next_batches() {
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < config_.train.accumulation; ++i) batches.push_back(loader_.next());
  return batches;
}

/// Submits a whole step: on a GPU nothing here waits for the device.
void Trainer::start_step(std::int64_t number) {
  std::vector<Batch> batches = next_batches();
  samples_.push_back(loader_.samples_seen());
  step_.start(number, learning_rate_(number), std::move(batches));
}

/// Waits for the figures of the oldest step under way and moves the run's position past it.
Evaluated Trainer::finish_step() {
  const StepFigures step = step_.finish_oldest();
  if (!step.are_finite()) report_non_finite(step);
  position_.step = step.number;
  position_.samples = samples_.front();
  position_.tokens += static_cast<std::uint64_t>(step.targets);
  samples_.pop_front();
  const Evaluated evaluated = evaluate();
  record(step, evaluated);
  progress_->update(position_.step, fmt::format("loss {:.4f}", step.loss));
  return evaluated;
}

/// Waits until at most `left` steps are under way; gives what became of the last one finished.
Evaluated Trainer::finish_steps_until(std::size_t left) {
  Evaluated last;
  while (step_.under_way() > left) last = finish_step();
  return last;
}

/// The optimizer has changed nothing since that step, so its gradients can be computed again and
/// looked at; what the device has done since then does not matter.
void Trainer::report_non_finite(const StepFigures& step) {
  const std::uint64_t last_sample = samples_.front() - 1;
  while (step_.under_way() > 0) step_.finish_oldest();
  finish_saving();
  loader_.skip_to(position_.samples);
  const std::string parameter = step_.first_non_finite_gradient(step.number, next_batches());
  throw Error(
      ErrorKind::NonFinite,
      fmt::format(
          "step {}: loss {}, gradient norm {} (first non-finite gradient: {}; samples {} to "
          "{}). The weights were not changed; the newest checkpoint is {}. Lower "
          "optimizer.lr, or lengthen schedule.warmup_steps, and start again.",
          step.number, step.loss, step.gradient_norm, parameter, position_.samples, last_sample,
          result_.checkpoint.empty() ? "none" : result_.checkpoint));
}

bool Trainer::evaluation_due(std::int64_t step) const {
  const std::int64_t every = config_.evaluation.every;
  return !task_->evaluators().empty() && every > 0 &&
         (step % every == 0 || step == config_.train.steps);
}

bool Trainer::checkpoint_due(std::int64_t step) const {
  const std::int64_t every = config_.checkpoint.every;
  return step == config_.train.steps || (every > 0 && step % every == 0);
}

Evaluated Trainer::evaluate() {
  Evaluated evaluated;
  if (!evaluation_due(position_.step)) return evaluated;
  const ProfileRange range("evaluation");
  for (const auto& evaluator : task_->evaluators()) {
    const Evaluation& e = evaluated.evaluations.emplace_back(evaluator->evaluate());
    say(fmt::format("step {}: evaluation {} {:.4f} over {} {}", position_.step,
                    e.figures.front().name, e.figures.front().value, e.count, evaluator->unit()));
  }
  if (const auto sample = task_->sample()) {
    write_file_atomic(directory_.sample(position_.step), *sample + "\n");
  }
  const Evaluator& decisive = *task_->evaluators().front();
  const double loss = decisive.decisive(evaluated.evaluations.front());
  result_.evaluation_loss = loss;
  evaluated.best = loss < position_.best_loss;
  if (!evaluated.best) return evaluated;
  position_.best_loss = loss;
  position_.best_step = position_.step;
  position_.best_identity = decisive.identity();
  return evaluated;
}

void Trainer::record(const StepFigures& r, const Evaluated& evaluated) {
  result_.loss = r.loss;
  const bool last = position_.step == config_.train.steps;
  const bool wanted = position_.step % config_.train.log_every == 0;
  if (evaluated.evaluations.empty() && !last && !wanted) return;
  Record line{.step = position_.step};
  line.add("tokens", static_cast<std::int64_t>(position_.tokens))
      .add("loss", r.loss)
      .add("grad_norm", r.gradient_norm)
      .add("lr", r.learning_rate)
      .add("tokens_per_second", static_cast<double>(r.targets) / r.seconds);
  for (std::size_t i = 0; i < evaluated.evaluations.size(); ++i) {
    const Evaluation& e = evaluated.evaluations[i];
    for (const Figure& figure : e.figures) line.add("eval_" + figure.name, figure.value);
    line.add("eval_" + task_->evaluators()[i]->unit(), static_cast<std::int64_t>(e.count));
  }
  metrics_->write(line);
}

/// Begins a checkpoint; a thread writes it while training goes on.
void Trainer::save() {
  finish_saving();
  metrics_->sync();
  CheckpointState state{.position = position_,
                        .config_yaml = dump_yaml(config_),
                        .data_identity = task_->data_identity()};
  task_->describe(state);
  const auto prune = [root = directory_.checkpoints(), keep_last = config_.checkpoint.keep_last,
                      keep_step = config_.checkpoint.keep_best ? position_.best_step
                                                               : 0](const std::filesystem::path&) {
    prune_checkpoints(root, keep_last, keep_step);
  };
  writer_.start(std::move(state), take_snapshot(tensors()), prune);
}

/// Waits for the checkpoint that is being written, if there is one.
void Trainer::finish_saving() {
  const auto newest = writer_.finish();
  if (!newest || newest->string() == result_.checkpoint) return;
  result_.checkpoint = newest->string();
  directory_.log("saved " + result_.checkpoint);
}

TrainResult Trainer::run() {
  const ContextScope scope(context_);
  begin();
  const auto should_stop =
      options_.should_stop ? options_.should_stop : [](std::int64_t) { return stop_requested(); };
  // The host is one step ahead of a GPU. On the CPU the host is the device.
  const std::size_t ahead = context_.device.is_cuda() ? TrainingStep::kMostUnderWay - 1 : 0;
  bool stop = false;
  for (std::int64_t step = position_.step + 1; step <= config_.train.steps && !stop; ++step) {
    start_step(step);
    // Saving and evaluating need the model as it is after this step.
    const bool saving = checkpoint_due(step), waiting = saving || evaluation_due(step);
    const Evaluated evaluated = finish_steps_until(waiting ? 0 : ahead);
    stop = communicator_->any(should_stop(step));
    if (stop) finish_steps_until(0);
    if (stop || saving || (evaluated.best && config_.checkpoint.keep_best)) save();
  }
  finish_saving();
  progress_->finish();
  result_.step = position_.step;
  result_.finished = position_.step == config_.train.steps;
  result_.parameter_hash = tensor_hash(step_.arena().named(step_.arena().value()));
  directory_.log(fmt::format(
      "{} at step {}, peak memory {} MiB, parameters {}", result_.finished ? "finished" : "stopped",
      result_.step, allocator(context_.device).statistics().peak >> 20, result_.parameter_hash));
  return result_;
}

}  // namespace

TrainResult train(const Config& config, const TrainOptions& options) {
  return Trainer(config, options).run();
}

}  // namespace krait
