#include "train/task/language_modelling.h"

#include <fmt/format.h>

#include "train/evaluate/perplexity_evaluator.h"
#include "train/generate/generate.h"
#include "train/model/initial_weights.h"
#include "train/model/model_config.h"
#include "train/record/progress.h"

namespace krait {
namespace {

std::shared_ptr<const TokenSet> open_valid_set(const std::string& path, const TokenSetInfo& train) {
  if (path.empty()) return nullptr;
  auto set = std::make_shared<const TokenSet>(path);
  KRAIT_CHECK(BadData, set->info().tokenizer == train.tokenizer, "data.valid '", path,
              "' was made with the tokenizer ", set->info().tokenizer.name, ", data.train with ",
              train.tokenizer.name, "; build both with one tokenizer (krait data build).");
  return set;
}

LanguageModelLoss loss_options(const Config::Train& t) {
  return {.label_smoothing = t.label_smoothing,
          .z_loss = t.z_loss,
          .recompute = t.recompute == Config::Train::Recompute::Blocks};
}

TrainingLossOptions evaluation_options(const Config& c) {
  const bool on_gpu = resolve_device(c).is_cuda();
  return {.length = c.data.sequence_length,
          .reset_at_documents = c.data.reset_at_documents,
          .max_tokens = static_cast<std::uint64_t>(c.evaluation.max_tokens),
          .rows = on_gpu ? c.train.batch_size / c.train.accumulation : 0};
}

}  // namespace

LanguageModelling::LanguageModelling(const Config& config)
    : config_(config),
      data_(config.data.train),
      valid_set_(open_valid_set(config.data.valid, data_.info())),
      tokenizer_(data_.make_tokenizer()),
      objective_(model_config(config, data_.info().vocab_size), loss_options(config.train)) {
  objective_.module().initialise(static_cast<std::uint64_t>(config.run.seed));
  if (valid_set_ == nullptr) return;
  evaluators_.push_back(std::make_unique<PerplexityEvaluator>(
      objective_.model(), corpus_of(*valid_set_), perplexity_options(evaluation_options(config)),
      valid_set_->info().content_sha256));
}

bool LanguageModelling::read_initial_weights(const std::vector<NamedTensor>& parameters) const {
  if (config_.train.initial_weights.empty()) return false;
  krait::read_initial_weights(config_, data_.info().tokenizer, parameters);
  return true;
}

std::vector<LoaderPart> LanguageModelling::training_data() const {
  return data_.windows(config_.data.sequence_length, config_.data.reset_at_documents
                                                         ? DocumentBoundary::Reset
                                                         : DocumentBoundary::Continue);
}

void LanguageModelling::verify_data() const {
  data_.verify();
  if (valid_set_) valid_set_->verify();
}

void LanguageModelling::describe(CheckpointState& state) const {
  state.tokenizer_identity = tokenizer_->identity().json();
  state.tokenizer_definition = tokenizer_->definition();
  state.vocab_size = data_.info().vocab_size;
}

std::string LanguageModelling::data_size() const {
  return format_count(static_cast<double>(data_.n_tokens())) + " tokens";
}

std::optional<std::string> LanguageModelling::sample() const {
  const Config::Evaluation& e = config_.evaluation;
  if (e.sample_tokens == 0) return std::nullopt;
  const std::vector<GeneratedText> out = generate(
      objective_.model(), *tokenizer_, std::vector{e.sample_prompt},
      {.max_tokens = e.sample_tokens, .seed = static_cast<std::uint64_t>(config_.run.seed)});
  return e.sample_prompt + out[0].text;
}

}  // namespace krait
