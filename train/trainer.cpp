#include "train/trainer.h"

#include <array>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "autograd/engine.h"
#include "autograd/operations/reduce.h"
#include "core/memory/allocator.h"
#include "core/stream/profile.h"
#include "core/system/parallel.h"
#include "core/tensor/readback.h"
#include "data/loader/loader.h"
#include "data/loader/token_windows.h"
#include "data/token_set/token_set.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "layers/models/language_model.h"
#include "train/evaluate/perplexity.h"
#include "train/generate/generate.h"
#include "train/model/initial_weights.h"
#include "train/model/model_config.h"
#include "train/record/json_lines.h"
#include "train/run/checkpoint.h"
#include "train/run/run_directory.h"
#include "train/run/same_run.h"
#include "train/run/stop.h"
#include "train/step/optimizer.h"
#include "train/step/parameter_arena.h"
#include "train/step/schedule.h"
#include "train/task/token_data.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

DocumentBoundary boundary_of(const Config& c) {
  return c.data.reset_at_documents ? DocumentBoundary::Reset : DocumentBoundary::Continue;
}

/// What one optimizer step did.
struct Step {
  std::int64_t number = 0;  // from 1
  double loss = 0, grad_norm = 0, lr = 0, seconds = 0;
  std::int64_t targets = 0;
  std::uint64_t samples = 0;  // drawn from the loader up to its end
  Clock::time_point begun;
};

/// Steps that a device may work on while the host prepares the next one. On the CPU none: there
/// the host is the device.
constexpr std::size_t kStepsAhead = 1;

class Trainer {
 public:
  Trainer(const Config& config, const TrainOptions& options);
  TrainResult run();

 private:
  void start_from_initial_weights();
  void resume();
  void begin();
  void start_step(std::int64_t number);
  void compute_gradients(Step& step);
  Tensor accumulate(const Batch& batch, std::uint64_t pass);
  void finish_step();
  void finish_steps(std::size_t left);  // but for so many
  [[noreturn]] void report_non_finite(const Step& step);
  bool evaluation_due(std::int64_t step) const;
  bool checkpoint_due(std::int64_t step) const;
  void evaluate();
  void write_sample();
  void record(const Step& result);
  void save();
  CheckpointTensors tensors() const;
  void say(const std::string& line);

  Config config_;
  TrainOptions options_;
  ExecutionContext context_;
  RunDirectory directory_;
  TrainingData training_data_;
  std::shared_ptr<const TokenSet> valid_set_;
  std::unique_ptr<Tokenizer> tokenizer_;
  MambaLM model_;
  ParameterArena arena_;
  Optimizer optimizer_;
  LearningRate learning_rate_;
  std::optional<ParameterAverage> average_;
  Loader loader_;
  Tensor loss_weight_;  // (1) on the device: 1 / the targets of the step
  Tensor figures_;      // on the device: the loss of each micro-batch, then the gradient norm
  std::array<Readback, kStepsAhead + 1> readbacks_;  // step i has number i mod size
  std::deque<Step> started_;                         // their figures are on the way
  TrainingPosition position_;                        // after the last step that is finished
  Clock::time_point finished_at_;
  std::optional<MetricsLog> metrics_;
  std::optional<Progress> progress_;
  std::optional<EvaluationResult> evaluation_;  // of the present step
  bool best_ = false;                           // it was the best so far
  TrainResult result_;
};

std::shared_ptr<const TokenSet> open_valid_set(const std::string& path, const TokenSetInfo& train) {
  if (path.empty()) return nullptr;
  auto set = std::make_shared<const TokenSet>(path);
  KRAIT_CHECK(BadData, set->info().tokenizer == train.tokenizer, "data.valid '", path,
              "' was made with the tokenizer ", set->info().tokenizer.name, ", data.train with ",
              train.tokenizer.name, "; build both with one tokenizer (krait data build).");
  return set;
}

Trainer::Trainer(const Config& config, const TrainOptions& options)
    : config_(config),
      options_(options),
      context_(precision_context(resolve_device(config), config.train.precision)),
      directory_(config.run.directory),
      training_data_(config.data.train),
      valid_set_(open_valid_set(config.data.valid, training_data_.info())),
      tokenizer_(training_data_.make_tokenizer()),
      model_(model_config(config, training_data_.info().vocab_size)),
      arena_((model_.initialise(static_cast<std::uint64_t>(config.run.seed)), model_),
             context_.device),
      optimizer_(arena_, config.optimizer),
      learning_rate_{config.schedule, config.optimizer.lr, config.train.steps},
      loader_(training_data_.windows(config.data.sequence_length, boundary_of(config)),
              {.batch_size = config.train.batch_size / config.train.accumulation,
               .seed = static_cast<std::uint64_t>(config.run.seed),
               .prefetch = static_cast<int>(config.data.prefetch)}),
      loss_weight_(Tensor::zeros({1}, arena_.value().dtype(), context_.device)),
      figures_(
          Tensor::zeros({config.train.accumulation + 1}, arena_.value().dtype(), context_.device)),
      readbacks_{Readback(context_.device, figures_.bytes()),
                 Readback(context_.device, figures_.bytes())} {
  static_assert(kStepsAhead == 1, "one Readback each");
  if (config.train.ema_decay > 0) average_.emplace(arena_, config.train.ema_decay);
}

void Trainer::say(const std::string& line) {
  directory_.log(line);
  if (progress_) {
    progress_->message(line);
  } else {
    options_.output.write(line + "\n");
  }
}

CheckpointTensors Trainer::tensors() const {
  return {.parameters = arena_.named(arena_.value()),
          .first_moment = arena_.named(optimizer_.first_moment()),
          .second_moment = arena_.named(optimizer_.second_moment()),
          .average = average_ ? arena_.named(average_->average()) : std::vector<NamedTensor>{}};
}

void Trainer::start_from_initial_weights() {
  if (config_.train.initial_weights.empty()) return;
  read_initial_weights(config_, training_data_.info().tokenizer, arena_.named(arena_.value()));
  arena_.refresh_compute();
  if (average_) average_.emplace(arena_, config_.train.ema_decay);
  say("starts from the weights of " + config_.train.initial_weights);
}

void Trainer::resume() {
  remove_partial_checkpoints(directory_.checkpoints());
  std::vector<std::string> skipped;
  const auto newest = newest_valid_checkpoint(directory_.checkpoints(), &skipped);
  for (const std::string& problem : skipped) say("skipped a damaged checkpoint: " + problem);
  if (newest) {
    const CheckpointState state = read_checkpoint_state(newest->path);
    const Config before = parse_config(state.config_yaml, (newest->path / "config.yaml").string());
    for (const std::string& line : require_same_run(before, config_)) say(line);
    require_same_data(state, training_data_.identity(), config_);
    read_checkpoint_tensors(newest->path, tensors());
    arena_.refresh_compute();
    position_ = state.position;
    loader_.skip_to(position_.samples);
    result_.checkpoint = newest->path.string();
    say(fmt::format("resumed from {}", newest->path.string()));
  } else {
    KRAIT_CHECK(BadData, skipped.empty(), "no checkpoint in '", directory_.checkpoints().string(),
                "' is intact, so the run cannot go on: ", skipped.front(),
                "; to start over, remove the run directory.");
    start_from_initial_weights();
  }
  truncate_metrics_after(directory_.metrics(), position_.step);
}

void Trainer::begin() {
  if (config_.run.threads > 0) set_thread_count(static_cast<int>(config_.run.threads));
  set_profile_ranges(config_.run.profile_ranges);
  if (config_.data.verify) {
    training_data_.verify();
    if (valid_set_) valid_set_->verify();
  }
  resume();
  write_file_atomic(directory_.config(), dump_yaml(config_));
  metrics_.emplace(directory_.metrics());
  say(fmt::format(
      "{}: {} parameters, {} tokens of training data, {} steps of {} x {} tokens in {} on {},"
      " {} CPU threads",
      config_.run.directory, format_count(static_cast<double>(model_.parameter_count())),
      format_count(static_cast<double>(training_data_.n_tokens())), config_.train.steps,
      config_.train.batch_size, config_.data.sequence_length, name_of(config_.train.precision),
      describe_device(context_.device), thread_count()));
  for (const std::string& line : training_data_.description()) say(line);
  progress_.emplace(ProgressOptions{.label = "train",
                                    .total = config_.train.steps,
                                    .first = position_.step,
                                    .work = "tokens",
                                    .work_per_item = static_cast<double>(
                                        config_.train.batch_size * config_.data.sequence_length)},
                    options_.output);
}

/// Adds the gradients of one micro-batch, times loss_weight_, and returns the sum of its losses
/// (1).
Tensor Trainer::accumulate(const Batch& batch, std::uint64_t pass) {
  const TrainingScope scope(static_cast<std::uint64_t>(config_.run.seed), pass);
  const Config::Train& t = config_.train;
  const Device device = context_.device;
  Variable total;
  {
    const ProfileRange range("forward");
    const MambaHidden out = model_.forward(
        batch.inputs.to(device), {.sequence_ids = batch.sequence_ids.to(device),
                                  .recompute = t.recompute == Config::Train::Recompute::Blocks});
    total = sum(model_.losses(out.hidden, batch.targets.to(device),
                              {.label_smoothing = t.label_smoothing, .z_loss = t.z_loss}));
  }
  const ProfileRange range("backward");
  backward(total, loss_weight_);
  return total.value();
}

/// The gradients of the samples that follow, and figures_ of them.
void Trainer::compute_gradients(Step& step) {
  std::vector<Batch> batches;  // all of them first: their weights depend on the sum of targets
  for (std::int64_t i = 0; i < config_.train.accumulation; ++i) {
    batches.push_back(loader_.next());
    step.targets += batches.back().n_targets;
  }
  step.samples = loader_.samples_seen();
  arena_.zero_grad();
  // The mean over the targets of the whole step: micro-batches weigh by their tokens.
  const auto targets = static_cast<double>(std::max<std::int64_t>(step.targets, 1));
  fill({.y = loss_weight_, .value = 1 / targets}, context_);
  auto pass = static_cast<std::uint64_t>((step.number - 1) * config_.train.accumulation);
  const auto keep = [&](std::int64_t i, const Tensor& figure) {
    copy({.x = figure, .y = figures_.slice(0, i, i + 1)}, context_);
  };
  std::int64_t i = 0;
  for (const Batch& batch : batches) {
    const Tensor loss = accumulate(batch, pass++);
    keep(i++, loss);
    optimizer_.require_finite(loss);
  }
  keep(i, optimizer_.gradient_norm());
}

/// Submits a whole step: on a GPU nothing here waits for the device.
void Trainer::start_step(std::int64_t number) {
  const ProfileRange range("step");
  Step step{.number = number, .lr = learning_rate_(number), .begun = Clock::now()};
  compute_gradients(step);
  {
    const ProfileRange update("optimizer");
    optimizer_.update(number, step.lr);
    if (average_) average_->update();
  }
  readbacks_.at(static_cast<std::size_t>(number) % readbacks_.size()).start(figures_);
  started_.push_back(step);
}

/// Waits for the figures of the oldest step under way and moves the run's position past it.
void Trainer::finish_step() {
  Step step = started_.front();
  const Tensor figures =
      readbacks_.at(static_cast<std::size_t>(step.number) % readbacks_.size()).wait();
  started_.pop_front();
  const std::int64_t micro_batches = config_.train.accumulation;
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    step.loss += figures.slice(0, i, i + 1).item();
  }
  step.loss /= static_cast<double>(std::max<std::int64_t>(step.targets, 1));
  step.grad_norm = figures.slice(0, micro_batches, micro_batches + 1).item();
  if (!std::isfinite(step.loss) || !std::isfinite(step.grad_norm)) report_non_finite(step);

  const Clock::time_point now = Clock::now();
  step.seconds = std::chrono::duration<double>(now - std::max(step.begun, finished_at_)).count();
  finished_at_ = now;
  position_.step = step.number;
  position_.samples = step.samples;
  position_.tokens += static_cast<std::uint64_t>(step.targets);
  evaluate();
  record(step);
  progress_->update(position_.step, fmt::format("loss {:.4f}", step.loss));
}

void Trainer::finish_steps(std::size_t left) {
  while (started_.size() > left) finish_step();
}

/// The optimizer has changed nothing since that step, so its gradients can be computed again and
/// looked at; what the device has done since then does not matter.
void Trainer::report_non_finite(const Step& step) {
  loader_.skip_to(position_.samples);
  Step again{.number = step.number};
  compute_gradients(again);
  std::string first = "none";
  for (const NamedTensor& g : arena_.named(arena_.grad())) {
    const Tensor norm = Tensor::empty({1}, g.tensor.dtype(), context_.device);
    l2_norm({.x = g.tensor, .norm = norm}, context_);
    if (!std::isfinite(norm.item())) {
      first = g.name;
      break;
    }
  }
  throw Error(
      ErrorKind::NonFinite,
      fmt::format(
          "step {}: loss {}, gradient norm {} (first non-finite gradient: {}; samples {} to "
          "{}). The weights were not changed; the newest checkpoint is {}. Lower "
          "optimizer.lr, or lengthen schedule.warmup_steps, and start again.",
          step.number, step.loss, step.grad_norm, first, position_.samples, step.samples - 1,
          result_.checkpoint.empty() ? "none" : result_.checkpoint));
}

bool Trainer::evaluation_due(std::int64_t step) const {
  const std::int64_t every = config_.evaluation.every;
  return valid_set_ && every > 0 && (step % every == 0 || step == config_.train.steps);
}

bool Trainer::checkpoint_due(std::int64_t step) const {
  const std::int64_t every = config_.checkpoint.every;
  return step == config_.train.steps || (every > 0 && step % every == 0);
}

void Trainer::evaluate() {
  evaluation_.reset();
  best_ = false;
  const Config::Evaluation& e = config_.evaluation;
  if (!evaluation_due(position_.step)) return;
  const ProfileRange range("evaluation");
  evaluation_ = evaluate_blocks(model_, *valid_set_,
                                {.length = config_.data.sequence_length,
                                 .reset_at_documents = config_.data.reset_at_documents,
                                 .max_tokens = static_cast<std::uint64_t>(e.max_tokens),
                                 .rows = config_.train.batch_size / config_.train.accumulation});
  say(fmt::format("step {}: evaluation loss {:.4f} over {} tokens", position_.step,
                  evaluation_->loss, evaluation_->n_tokens));
  write_sample();
  best_ = evaluation_->loss < position_.best_loss;
  if (!best_) return;
  position_.best_loss = evaluation_->loss;
  position_.best_step = position_.step;
}

void Trainer::write_sample() {
  const Config::Evaluation& e = config_.evaluation;
  if (e.sample_tokens == 0) return;
  const std::vector<GeneratedText> out = generate(
      model_, *tokenizer_, std::vector{e.sample_prompt},
      {.max_tokens = e.sample_tokens, .seed = static_cast<std::uint64_t>(config_.run.seed)});
  write_file_atomic(directory_.sample(position_.step), e.sample_prompt + out[0].text + "\n");
}

void Trainer::record(const Step& r) {
  result_.loss = r.loss;
  const bool last = position_.step == config_.train.steps;
  if (!evaluation_ && !last && position_.step % config_.train.log_every != 0) return;
  MetricsRecord line(position_.step);
  line.add("tokens", static_cast<std::int64_t>(position_.tokens))
      .add("loss", r.loss)
      .add("grad_norm", r.grad_norm)
      .add("lr", r.lr)
      .add("tokens_per_second", static_cast<double>(r.targets) / r.seconds);
  if (evaluation_) {
    result_.evaluation_loss = evaluation_->loss;
    line.add("eval_loss", evaluation_->loss)
        .add("eval_perplexity", std::exp(evaluation_->loss))
        .add("eval_tokens", static_cast<std::int64_t>(evaluation_->n_tokens));
  }
  metrics_->write(line);
}

void Trainer::save() {
  metrics_->sync();
  const CheckpointState state{.position = position_,
                              .config_yaml = dump_yaml(config_),
                              .data_identity = training_data_.identity(),
                              .tokenizer_identity = tokenizer_->identity().json(),
                              .tokenizer_definition = std::string(tokenizer_->definition()),
                              .vocab_size = training_data_.info().vocab_size};
  const auto path = save_checkpoint(directory_.checkpoints(), state, tensors());
  prune_checkpoints(directory_.checkpoints(), config_.checkpoint.keep_last,
                    config_.checkpoint.keep_best ? position_.best_step : 0);
  result_.checkpoint = path.string();
  directory_.log("saved " + path.string());
}

TrainResult Trainer::run() {
  const ContextScope scope(context_);
  begin();
  const auto should_stop =
      options_.should_stop ? options_.should_stop : [](std::int64_t) { return stop_requested(); };
  bool stop = false;
  for (std::int64_t step = position_.step + 1; step <= config_.train.steps && !stop; ++step) {
    start_step(step);
    // What needs the model as it is after this step waits for it.
    const bool saving = checkpoint_due(step), waiting = saving || evaluation_due(step);
    finish_steps(context_.device.is_cuda() && !waiting ? kStepsAhead : 0);
    stop = should_stop(step);
    if (stop) finish_steps(0);
    if (stop || saving || (waiting && best_ && config_.checkpoint.keep_best)) save();
  }
  progress_->finish();
  result_.step = position_.step;
  result_.finished = position_.step == config_.train.steps;
  result_.parameter_hash = tensor_hash(arena_.named(arena_.value()));
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
