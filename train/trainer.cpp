#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "autograd/engine.h"
#include "autograd/reduce.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "data/loader.h"
#include "data/token_set.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "layers/mamba_lm.h"
#include "train/checkpoint.h"
#include "train/config_schema.h"
#include "train/generate.h"
#include "train/metrics_log.h"
#include "train/model_config.h"
#include "train/optimizer.h"
#include "train/parameter_arena.h"
#include "train/perplexity.h"
#include "train/run_directory.h"
#include "train/schedule.h"
#include "train/stop.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

DocumentBoundary boundary_of(const Config& c) {
  return c.data.reset_at_documents ? DocumentBoundary::Reset : DocumentBoundary::Continue;
}

/// What one optimizer step did.
struct Step {
  double loss = 0, grad_norm = 0, lr = 0, seconds = 0;
  std::int64_t targets = 0;
};

/// The parts of a configuration that the weights, the data order and the arithmetic depend on: a
/// checkpoint goes on only under the same ones.
bool fixes_run(const Field& f) {
  return f.section() == "model" || f.name == "run.seed" || f.name == "data.sequence_length" ||
         f.name == "data.reset_at_documents" || f.name == "train.precision";
}
/// Fields that may differ without a word.
bool is_local(const Field& f) {
  return f.name == "run.directory" || f.name == "run.threads" || f.name == "run.device" ||
         f.name == "data.prefetch" || f.name == "data.train" || f.name == "data.verify";
}

class Trainer {
 public:
  Trainer(const Config& config, const TrainOptions& options);
  TrainResult run();

 private:
  void resume();
  void require_same_run(const CheckpointState& state, const std::string& checkpoint);
  void begin();
  Step make_step(std::int64_t step);
  double accumulate(const Batch& batch, std::uint64_t pass, std::int64_t targets);
  void require_finite(std::int64_t step, const Step& result) const;
  bool evaluate();  // whether it was the best so far
  void write_sample();
  void record(const Step& result);
  void save();
  CheckpointTensors tensors() const;
  void say(const std::string& line);

  Config config_;
  TrainOptions options_;
  ExecutionContext context_;
  RunDirectory directory_;
  std::shared_ptr<const TokenSet> train_set_, valid_set_;
  std::unique_ptr<Tokenizer> tokenizer_;
  MambaLM model_;
  ParameterArena arena_;
  Optimizer optimizer_;
  std::optional<ParameterAverage> average_;
  Loader loader_;
  TrainingPosition position_;
  std::optional<MetricsLog> metrics_;
  std::optional<Progress> progress_;
  std::optional<EvaluationResult> evaluation_;  // of the present step
  TrainResult result_;
};

std::shared_ptr<const TokenSet> open_set(const std::string& path, const TokenSet* like) {
  if (path.empty()) return nullptr;
  auto set = std::make_shared<const TokenSet>(path);
  KRAIT_CHECK(BadData, like == nullptr || set->info().tokenizer == like->info().tokenizer,
              "data.valid '", path, "' was made with the tokenizer ", set->info().tokenizer.name,
              ", data.train with ", like == nullptr ? "" : like->info().tokenizer.name,
              "; build both with one tokenizer (krait data build).");
  return set;
}

Trainer::Trainer(const Config& config, const TrainOptions& options)
    : config_(config),
      options_(options),
      context_{.device = resolve_device(config)},
      directory_(config.run.directory),
      train_set_(open_set(config.data.train, nullptr)),
      valid_set_(open_set(config.data.valid, train_set_.get())),
      tokenizer_(make_tokenizer(train_set_->info().tokenizer)),
      model_(model_config(config, train_set_->info().vocab_size)),
      arena_((model_.initialise(static_cast<std::uint64_t>(config.run.seed)), model_)),
      optimizer_(arena_, config.optimizer),
      loader_(std::make_shared<TokenWindows>(train_set_, config.data.sequence_length,
                                             boundary_of(config)),
              {.batch_size = config.train.batch_size / config.train.accumulation,
               .seed = static_cast<std::uint64_t>(config.run.seed),
               .prefetch = static_cast<int>(config.data.prefetch)}) {
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

void Trainer::require_same_run(const CheckpointState& state, const std::string& checkpoint) {
  const Config before = parse_config(state.config_yaml, checkpoint + "/config.yaml");
  for (const Field& f : config_fields()) {
    const std::string was = format_field(f, f.get(before)), is = format_field(f, f.get(config_));
    if (was == is || is_local(f)) continue;
    KRAIT_CHECK(BadConfig, !fixes_run(f), "'", config_.run.directory, "' holds a run with ", f.name,
                " = ", was, ", this configuration says ", is,
                "; go on with the old value, or give run.directory another one.");
    say(fmt::format("{} changed from {} to {} since the checkpoint", f.name, was, is));
  }
  KRAIT_CHECK(BadConfig, state.data_identity == train_set_->info().content_sha256, "data.train '",
              config_.data.train, "' is not the token set that the run in '", config_.run.directory,
              "' was trained on; restore it, or give run.directory another value.");
}

void Trainer::resume() {
  remove_partial_checkpoints(directory_.checkpoints());
  std::vector<std::string> skipped;
  const auto newest = newest_valid_checkpoint(directory_.checkpoints(), &skipped);
  for (const std::string& problem : skipped) say("skipped a damaged checkpoint: " + problem);
  if (newest) {
    const CheckpointState state = read_checkpoint_state(newest->path);
    require_same_run(state, newest->path.string());
    read_checkpoint_tensors(newest->path, tensors());
    position_ = state.position;
    loader_.skip_to(position_.samples);
    result_.checkpoint = newest->path.string();
    say(fmt::format("resumed from {}", newest->path.string()));
  } else {
    KRAIT_CHECK(BadData, skipped.empty(), "no checkpoint in '", directory_.checkpoints().string(),
                "' is intact, so the run cannot go on: ", skipped.front(),
                "; to start over, remove the run directory.");
  }
  truncate_metrics_after(directory_.metrics(), position_.step);
}

void Trainer::begin() {
  if (config_.run.threads > 0) set_thread_count(static_cast<int>(config_.run.threads));
  if (config_.data.verify) {
    train_set_->verify();
    if (valid_set_) valid_set_->verify();
  }
  resume();
  write_file_atomic(directory_.config(), dump_yaml(config_));
  metrics_.emplace(directory_.metrics());
  say(fmt::format(
      "{}: {} parameters, {} tokens of training data, {} steps of {} x {} tokens on {}"
      " ({} threads)",
      config_.run.directory, format_count(static_cast<double>(model_.parameter_count())),
      format_count(static_cast<double>(train_set_->n_tokens())), config_.train.steps,
      config_.train.batch_size, config_.data.sequence_length, str(context_.device),
      thread_count()));
  progress_.emplace(ProgressOptions{.label = "train",
                                    .total = config_.train.steps,
                                    .first = position_.step,
                                    .work = "tokens",
                                    .work_per_item = static_cast<double>(
                                        config_.train.batch_size * config_.data.sequence_length)},
                    options_.output);
}

/// Adds the gradients of one micro-batch and returns the sum of its losses. The gradients are those
/// of the mean over the `targets` of the whole step, so micro-batches weigh by their tokens.
double Trainer::accumulate(const Batch& batch, std::uint64_t pass, std::int64_t targets) {
  const TrainingScope scope(static_cast<std::uint64_t>(config_.run.seed), pass);
  const Config::Train& t = config_.train;
  const MambaHidden out =
      model_.forward(batch.inputs, {.sequence_ids = batch.sequence_ids,
                                    .recompute = t.recompute == Config::Train::Recompute::Blocks});
  const Variable total = sum(model_.losses(
      out.hidden, batch.targets, {.label_smoothing = t.label_smoothing, .z_loss = t.z_loss}));
  const Tensor weight = Tensor::empty({1}, total.dtype());
  fill({.y = weight, .value = 1 / static_cast<double>(targets)}, current_context());
  backward(total, weight);
  return total.value().item();
}

void Trainer::require_finite(std::int64_t step, const Step& result) const {
  if (std::isfinite(result.loss) && std::isfinite(result.grad_norm)) return;
  std::string first = "none";
  for (const NamedTensor& g : arena_.named(arena_.grad())) {
    const Tensor norm = Tensor::empty({1}, g.tensor.dtype());
    l2_norm({.x = g.tensor, .norm = norm}, current_context());
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
          step, result.loss, result.grad_norm, first, position_.samples, loader_.samples_seen() - 1,
          result_.checkpoint.empty() ? "none" : result_.checkpoint));
}

Step Trainer::make_step(std::int64_t step) {
  const Clock::time_point start = Clock::now();
  Step result{.lr = learning_rate(step, config_)};
  std::vector<Batch> batches;  // all of them first: their weights depend on the sum of targets
  for (std::int64_t i = 0; i < config_.train.accumulation; ++i) {
    batches.push_back(loader_.next());
    result.targets += batches.back().n_targets;
  }
  arena_.zero_grad();
  const std::int64_t weight = std::max<std::int64_t>(result.targets, 1);
  auto pass = static_cast<std::uint64_t>((step - 1) * config_.train.accumulation);
  for (const Batch& batch : batches) result.loss += accumulate(batch, pass++, weight);
  result.loss /= static_cast<double>(weight);
  result.grad_norm = optimizer_.gradient_norm();
  require_finite(step, result);
  optimizer_.update(step, result.lr);
  if (average_) average_->update();
  position_.step = step;
  position_.samples = loader_.samples_seen();
  position_.tokens += static_cast<std::uint64_t>(result.targets);
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

bool Trainer::evaluate() {
  evaluation_.reset();
  const Config::Evaluation& e = config_.evaluation;
  const bool due =
      e.every > 0 && (position_.step % e.every == 0 || position_.step == config_.train.steps);
  if (!due || !valid_set_) return false;
  evaluation_ = evaluate_blocks(model_, *valid_set_,
                                {.length = config_.data.sequence_length,
                                 .reset_at_documents = config_.data.reset_at_documents,
                                 .max_tokens = static_cast<std::uint64_t>(e.max_tokens)});
  say(fmt::format("step {}: evaluation loss {:.4f} over {} tokens", position_.step,
                  evaluation_->loss, evaluation_->n_tokens));
  write_sample();
  if (!(evaluation_->loss < position_.best_loss)) return false;
  position_.best_loss = evaluation_->loss;
  position_.best_step = position_.step;
  return true;
}

void Trainer::write_sample() {
  const Config::Evaluation& e = config_.evaluation;
  if (e.sample_tokens == 0) return;
  const GeneratedText out = generate(
      model_, *tokenizer_, e.sample_prompt,
      {.max_tokens = e.sample_tokens, .seed = static_cast<std::uint64_t>(config_.run.seed)});
  write_file_atomic(directory_.sample(position_.step), e.sample_prompt + out.text + "\n");
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
                              .data_identity = train_set_->info().content_sha256,
                              .tokenizer_identity = tokenizer_->identity().json(),
                              .vocab_size = train_set_->info().vocab_size};
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
  while (position_.step < config_.train.steps && !stop) {
    const Step r = make_step(position_.step + 1);
    const bool best = evaluate();
    record(r);
    progress_->update(position_.step, fmt::format("loss {:.4f}", r.loss));
    stop = should_stop(position_.step);
    if (stop || position_.step % config_.checkpoint.every == 0 ||
        position_.step == config_.train.steps || (best && config_.checkpoint.keep_best)) {
      save();
    }
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
