#include "train/model/initial_weights.h"

#include <map>

#include "core/error.h"
#include "kernels/copy.h"
#include "train/config/schema.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

void require_same_model(const Config& config, const LoadedModel& loaded) {
  for (const Field& f : config_fields()) {
    if (!f.meaning) continue;
    const std::string is = format_field(f, f.meaning(config));
    const std::string was = format_field(f, f.meaning(loaded.config));
    KRAIT_CHECK(BadConfig, is == was, "train.initial_weights '", config.train.initial_weights,
                "' is a model with ", f.name, " = ", was, ", this configuration says ", is,
                "; take the model section that 'krait model info' shows.");
  }
}

}  // namespace

void read_initial_weights(const Config& config, const TokenizerIdentity& tokenizer,
                          const std::vector<NamedTensor>& parameters) {
  const std::string& path = config.train.initial_weights;
  const LoadedModel loaded = load_model(
      path, {.precision = kept_precision(config.train.precision), .needs_tokenizer = false});
  require_same_model(config, loaded);
  KRAIT_CHECK(
      BadConfig,
      loaded.tokenizer == nullptr || loaded.tokenizer->identity().sha256 == tokenizer.sha256,
      "train.initial_weights '", path, "' has another tokenizer than data.train (", tokenizer.name,
      "); build the set again with the model's tokenizer (krait data build).");
  std::map<std::string, Tensor> values;
  for (const Parameter& p : loaded.model->parameters()) values[p.name] = p.variable.value();
  KRAIT_CHECK(BadConfig, values.size() == parameters.size(), "train.initial_weights '", path,
              "' is a model of ", values.size(), " parameters, this configuration makes one of ",
              parameters.size(), "; take the model section that 'krait model info' shows.");
  for (const NamedTensor& p : parameters) {
    const auto found = values.find(p.name);
    KRAIT_CHECK(BadConfig, found != values.end() && found->second.shape() == p.tensor.shape(),
                "train.initial_weights '", path, "' has no '", p.name, "' of shape ",
                p.tensor.shape(), "; take the model section that 'krait model info' shows.");
    copy({.x = found->second.to(p.tensor.device()), .y = p.tensor}, current_context());
    p.tensor.bump_version();
  }
}

}  // namespace krait
