#include "train/model/load_model.h"

#include <vector>

#include "core/error.h"
#include "data/tokenizer/make_tokenizer.h"
#include "train/model/hugging_face/load.h"
#include "train/model/model_config.h"

namespace krait {
namespace {

std::vector<NamedTensor> named_values(const LanguageModel& model) {
  std::vector<NamedTensor> values;
  for (const Parameter& p : model.parameters()) values.push_back({p.name, p.variable.value()});
  return values;
}

LoadedModel load_checkpoint(const std::filesystem::path& path, const LoadModelOptions& options) {
  LoadedModel loaded{.path = resolve_checkpoint(path)};
  const CheckpointState state = read_checkpoint_state(loaded.path);
  loaded.step = state.position.step;
  loaded.config = parse_config(state.config_yaml, (loaded.path / "config.yaml").string());
  loaded.tokenizer = options.tokenizer.empty() ? checkpoint_tokenizer(loaded.path, state)
                                               : make_tokenizer(options.tokenizer.string());
  KRAIT_CHECK(BadData, loaded.tokenizer->vocab_size() <= state.vocab_size, "'",
              loaded.path.string(), "': the model has a vocabulary of ", state.vocab_size,
              " tokens, but its tokenizer '", loaded.tokenizer->identity().name, "' one of ",
              loaded.tokenizer->vocab_size(),
              "; use another checkpoint, or train again on a set of this tokenizer.");

  loaded.precision =
      options.precision.value_or(usable_precision(options.device, loaded.config.train.precision));
  loaded.model = std::make_unique<LanguageModel>(
      model_config(loaded.config.model, state.vocab_size, loaded.precision));
  read_checkpoint_parameters(loaded.path, options.weights, named_values(*loaded.model));
  loaded.model->place(options.device);
  return loaded;
}

}  // namespace

LoadedModel load_model(const std::filesystem::path& path, const LoadModelOptions& options) {
  return is_hugging_face_directory(path) ? load_hugging_face(path, options)
                                         : load_checkpoint(path, options);
}

std::unique_ptr<Tokenizer> checkpoint_tokenizer(const std::filesystem::path& checkpoint,
                                                const CheckpointState& state) {
  return make_tokenizer(
      TokenizerIdentity::from_json(state.tokenizer_identity,
                                   str("'", (checkpoint / "state.json").string(), "'")),
      state.tokenizer_definition);
}

void require_tokenizer_of(const LoadedModel& model, const TokenSet& set) {
  const TokenizerIdentity ours = model.tokenizer->identity(), &theirs = set.info().tokenizer;
  KRAIT_CHECK(BadData,
              ours == theirs && model.tokenizer->vocab_size() == set.info().vocab_size &&
                  model.tokenizer->end_of_document() == set.info().end_of_document,
              "'", set.info().path.string(), "' was made with the tokenizer '", theirs.name, "' (",
              set.info().vocab_size, " tokens, sha256 ", theirs.sha256.substr(0, 12),
              "...), but that of the model is '", ours.name, "' (", model.tokenizer->vocab_size(),
              " tokens, sha256 ", ours.sha256.substr(0, 12),
              "...); build the set again with the model's tokenizer (krait data build).");
}

}  // namespace krait
