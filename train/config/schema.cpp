#include "train/config/schema.h"

#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "data/loader/mixture.h"

namespace krait {
namespace {

constexpr double kMaxCount = 1e15;    // exact as a double; leaves room for products in 64 bits
constexpr double kMaxSize = 1 << 30;  // of one dimension
constexpr double kMaxSeed = 9007199254740992.0;  // 2^53

const FieldRange kPositive{.low = 0, .open_low = true};
const FieldRange kNotNegative{.low = 0};
const FieldRange kFraction{.low = 0, .high = 1, .open_high = true};
const FieldRange kAny{};

FieldRange between(double low, double high) {
  return {.low = low, .high = high};
}
FieldRange at_least(double low) {
  return {.low = low, .high = kMaxCount};
}

struct Description {
  FieldRange range;
  std::string_view unit;
  std::string_view help;
  bool required = false;
};

template <class T>
constexpr FieldType type_of() {
  if constexpr (std::is_enum_v<T>) return FieldType::Choice;
  if constexpr (std::is_same_v<T, bool>) return FieldType::Boolean;
  if constexpr (std::is_same_v<T, std::int64_t>) return FieldType::Integer;
  if constexpr (std::is_same_v<T, double>) return FieldType::Number;
  return FieldType::Text;
}

// Binds a name to Config::*section.*member; the type and the choices follow from the member.
template <class Section, class T>
Field field(std::string name, Section Config::*section, T Section::*member,
            Description description) {
  Field result;
  result.name = std::move(name);
  result.type = type_of<T>();
  result.required = description.required;
  result.range = description.range;
  result.unit = description.unit;
  result.help = description.help;
  if constexpr (std::is_enum_v<T>) {
    result.choices.assign(kNames<T>.begin(), kNames<T>.end());
    result.get = [=](const Config& c) {
      return FieldValue(std::string(name_of(c.*section.*member)));
    };
    result.set = [=](Config& c, const FieldValue& value) {
      for (std::size_t i = 0; i < kNames<T>.size(); ++i) {
        if (kNames<T>[i] == std::get<std::string>(value)) {
          c.*section.*member = static_cast<T>(i);
        }
      }
    };
  } else {
    result.get = [=](const Config& c) { return FieldValue(c.*section.*member); };
    result.set = [=](Config& c, const FieldValue& v) { c.*section.*member = std::get<T>(v); };
  }
  return result;
}

void add_run(std::vector<Field>& fields) {
  using S = Config::Run;
  const auto in = &Config::run;
  fields.push_back(
      field("run.directory", in, &S::directory,
            {kAny, "path", "where the run keeps checkpoints, metrics and logs", true}));
  fields.push_back(
      field("run.seed", in, &S::seed,
            {between(0, kMaxSeed), "", "seed of initialisation, shuffling, dropout and sampling"}));
  fields.push_back(
      field("run.threads", in, &S::threads,
            {between(0, 4096), "threads",
             "CPU threads; 0: KRAIT_THREADS, else all cores. Never changes a result"}));
  fields.push_back(field(
      "run.device", in, &S::device,
      {kAny, "", "where to compute; auto: cuda where there is a GPU (the first one), else cpu"}));
  fields.push_back(field("run.profile_ranges", in, &S::profile_ranges,
                         {kAny, "", "name the parts of a step for Nsight Systems (NVTX)"}));
}

void add_model(std::vector<Field>& fields) {
  using S = Config::Model;
  const auto in = &Config::model;
  fields.push_back(field("model.d_model", in, &S::d_model,
                         {between(1, 1 << 20), "channels", "width of the residual stream", true}));
  fields.push_back(
      field("model.n_layer", in, &S::n_layer, {between(1, 4096), "blocks", "Mamba blocks", true}));
  fields.push_back(field("model.vocab_size", in, &S::vocab_size,
                         {between(0, kMaxSize), "tokens", "vocabulary; 0: that of data.train"}));
  fields.push_back(
      field("model.pad_vocab_multiple", in, &S::pad_vocab_multiple,
            {between(1, kMaxSize), "rows", "the embedding is padded to a multiple of it"}));
  fields.push_back(
      field("model.d_state", in, &S::d_state, {between(1, 256), "", "states of a channel (N)"}));
  fields.push_back(field("model.expand", in, &S::expand,
                         {between(1, 64), "", "inner channels per channel of d_model"}));
  fields.push_back(field("model.d_conv", in, &S::d_conv,
                         {between(2, 8), "positions", "width of the causal convolution"}));
  fields.push_back(field("model.dt_rank", in, &S::dt_rank,
                         {between(0, 1 << 20), "", "rank of delta; 0: ceil(d_model / 16)"}));
  fields.push_back(field("model.dt_min", in, &S::dt_min,
                         {kPositive, "", "smallest initial delta (log-uniform draw)"}));
  fields.push_back(field("model.dt_max", in, &S::dt_max,
                         {kPositive, "", "largest initial delta (log-uniform draw)"}));
  fields.push_back(field("model.dt_init_floor", in, &S::dt_init_floor,
                         {kPositive, "", "initial deltas are at least this"}));
  fields.push_back(field("model.tie_embeddings", in, &S::tie_embeddings,
                         {kAny, "", "the output head is the embedding"}));
  fields.push_back(
      field("model.conv_bias", in, &S::conv_bias, {kAny, "", "the convolution has a bias"}));
  fields.push_back(
      field("model.proj_bias", in, &S::proj_bias, {kAny, "", "in_proj and out_proj have biases"}));
  fields.push_back(field("model.norm_bcdt", in, &S::norm_bcdt,
                         {kAny, "", "normalise B, C and dt (RMS, without weight): FalconMamba"}));
  fields.push_back(field("model.bcdt_eps", in, &S::bcdt_eps,
                         {kPositive, "", "epsilon of the normalisation of B, C and dt"}));
  fields.push_back(
      field("model.norm", in, &S::norm, {kAny, "", "normalisation before each block"}));
  fields.push_back(
      field("model.norm_eps", in, &S::norm_eps, {kPositive, "", "epsilon of the normalisation"}));
  fields.push_back(field("model.rescale_prenorm_residual", in, &S::rescale_prenorm_residual,
                         {kAny, "", "divide initial out_proj weights by sqrt(n_layer)"}));
  fields.push_back(field("model.initializer_range", in, &S::initializer_range,
                         {kNotNegative, "", "standard deviation of the initial embedding"}));
  fields.push_back(
      field("model.dropout", in, &S::dropout, {kFraction, "", "dropout of each block's output"}));
}

std::optional<TextProblem> check_mixture(std::string_view text) {
  TextProblem problem;
  if (parse_mixture(text, problem)) return std::nullopt;
  return problem;
}

void add_data(std::vector<Field>& fields) {
  using S = Config::Data;
  const auto in = &Config::data;
  fields.push_back(field("data.train", in, &S::train,
                         {kAny, "path, or a mixture such as web.h5:0.7, code.h5:0.3",
                          "token set to train on (krait data build makes one)", true}));
  fields.back().check = check_mixture;
  fields.push_back(
      field("data.valid", in, &S::valid, {kAny, "path", "token set to evaluate on; empty: none"}));
  fields.push_back(
      field("data.sequence_length", in, &S::sequence_length,
            {between(1, kMaxSize), "tokens", "tokens of one training sequence", true}));
  fields.push_back(field("data.reset_at_documents", in, &S::reset_at_documents,
                         {kAny, "", "documents packed in one sequence do not see each other"}));
  fields.push_back(field("data.verify", in, &S::verify,
                         {kAny, "", "hash all tokens at the start: about 1 s for 3 GB and core"}));
  fields.push_back(field("data.prefetch", in, &S::prefetch,
                         {between(0, 64), "batches", "batches read ahead; 0: none"}));
}

void add_train(std::vector<Field>& fields) {
  using S = Config::Train;
  const auto in = &Config::train;
  fields.push_back(
      field("train.steps", in, &S::steps, {at_least(1), "steps", "optimizer steps", true}));
  fields.push_back(field("train.batch_size", in, &S::batch_size,
                         {between(1, kMaxSize), "sequences",
                          "sequences per optimizer step, over all micro-batches", true}));
  fields.push_back(field("train.accumulation", in, &S::accumulation,
                         {between(1, kMaxSize), "",
                          "equal micro-batches that batch_size is cut into, to save memory"}));
  fields.push_back(field(
      "train.initial_weights", in, &S::initial_weights,
      {kAny, "path",
       "start from this model's weights (a run, checkpoint or Hugging Face directory); empty: "
       "at random"}));
  fields.push_back(field(
      "train.precision", in, &S::precision,
      {kAny, "",
       "arithmetic; bf16 keeps weights and sums in f32. bf16 and tf32 need CUDA, f64 the CPU"}));
  fields.push_back(field("train.recompute", in, &S::recompute,
                         {kAny, "", "blocks: recompute blocks in backward to save memory"}));
  fields.push_back(field("train.ema_decay", in, &S::ema_decay,
                         {kFraction, "per step", "average of the weights; 0: none"}));
  fields.push_back(field("train.label_smoothing", in, &S::label_smoothing,
                         {kFraction, "", "probability spread over the whole vocabulary"}));
  fields.push_back(
      field("train.z_loss", in, &S::z_loss, {kNotNegative, "", "weight of log(Z)^2 in the loss"}));
  fields.push_back(field("train.log_every", in, &S::log_every,
                         {at_least(1), "steps", "steps between records in metrics.jsonl"}));
}

void add_optimizer(std::vector<Field>& fields) {
  using S = OptimizerOptions;
  const auto in = &Config::optimizer;
  fields.push_back(
      field("optimizer.lr", in, &S::lr, {kPositive, "", "peak learning rate of AdamW", true}));
  fields.push_back(
      field("optimizer.beta1", in, &S::beta1, {kFraction, "", "decay of the first moment"}));
  fields.push_back(
      field("optimizer.beta2", in, &S::beta2, {kFraction, "", "decay of the second moment"}));
  fields.push_back(field("optimizer.eps", in, &S::eps, {kPositive, "", "epsilon of AdamW"}));
  fields.push_back(
      field("optimizer.weight_decay", in, &S::weight_decay,
            {kNotNegative, "", "decoupled decay of matrices, embedding, convolution"}));
  fields.push_back(field("optimizer.clip_norm", in, &S::clip_norm,
                         {kNotNegative, "", "largest norm of the whole gradient; 0: no clipping"}));
}

void add_schedule(std::vector<Field>& fields) {
  using S = ScheduleOptions;
  const auto in = &Config::schedule;
  fields.push_back(field("schedule.kind", in, &S::kind,
                         {kAny, "", "course of the learning rate after the warm-up"}));
  fields.push_back(field("schedule.warmup_steps", in, &S::warmup_steps,
                         {at_least(0), "steps", "steps of linear warm-up"}));
  fields.push_back(field("schedule.min_lr", in, &S::min_lr,
                         {kNotNegative, "", "learning rate that cosine, linear and wsd end at"}));
  fields.push_back(field("schedule.decay_steps", in, &S::decay_steps,
                         {at_least(0), "steps", "wsd: steps of linear decay at the end"}));
}

void add_outputs(std::vector<Field>& fields) {
  using C = Config::Checkpoint;
  const auto checkpoint = &Config::checkpoint;
  fields.push_back(field("checkpoint.every", checkpoint, &C::every,
                         {at_least(0), "steps", "steps between checkpoints; 0: only at the end"}));
  fields.push_back(field("checkpoint.keep_last", checkpoint, &C::keep_last,
                         {between(2, 1e6), "checkpoints", "newest checkpoints to keep"}));
  fields.push_back(field("checkpoint.keep_best", checkpoint, &C::keep_best,
                         {kAny, "", "also keep the one with the lowest evaluation loss"}));
  using E = Config::Evaluation;
  const auto evaluation = &Config::evaluation;
  fields.push_back(
      field("evaluation.every", evaluation, &E::every,
            {at_least(0), "steps", "steps between evaluations on data.valid; 0: off"}));
  fields.push_back(field("evaluation.max_tokens", evaluation, &E::max_tokens,
                         {at_least(0), "tokens", "evaluate on the first tokens only; 0: on all"}));
  fields.push_back(field("evaluation.sample_tokens", evaluation, &E::sample_tokens,
                         {between(0, 1e6), "tokens", "text to generate at evaluations; 0: none"}));
  fields.push_back(field("evaluation.sample_prompt", evaluation, &E::sample_prompt,
                         {kAny, "text", "what the generated text goes on from"}));
}

std::string number(double value) {
  return fmt::format("{}", value);
}

}  // namespace

const std::vector<Field>& config_fields() {
  static const std::vector<Field> fields = [] {
    std::vector<Field> all;
    add_run(all);
    add_model(all);
    add_data(all);
    add_train(all);
    add_optimizer(all);
    add_schedule(all);
    add_outputs(all);
    return all;
  }();
  return fields;
}

const Field* find_field(std::string_view name) {
  for (const Field& f : config_fields()) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

std::string_view Field::section() const {
  return std::string_view(name).substr(0, name.find('.'));
}

std::string_view Field::key() const {
  return std::string_view(name).substr(name.find('.') + 1);
}

std::string Field::type_name() const {
  switch (type) {
    case FieldType::Integer:
      return "integer";
    case FieldType::Number:
      return "number";
    case FieldType::Boolean:
      return "true | false";
    case FieldType::Text:
      return "text";
    case FieldType::Choice:
      return fmt::format("{}", fmt::join(choices, " | "));
  }
  return {};
}

bool FieldRange::contains(double value) const {
  return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
}

std::string FieldRange::describe() const {
  const double infinity = std::numeric_limits<double>::infinity();
  const bool bounded_above = high < infinity && high != kMaxCount;
  if (low == -infinity) return bounded_above ? "at most " + number(high) : "";
  if (!bounded_above) return (open_low ? "above " : "at least ") + number(low);
  if (open_high) return fmt::format("at least {} and below {}", number(low), number(high));
  return fmt::format("{} to {}", static_cast<std::int64_t>(low), static_cast<std::int64_t>(high));
}

}  // namespace krait
