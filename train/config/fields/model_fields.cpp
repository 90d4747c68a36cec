#include <optional>
#include <string_view>

#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {
namespace {

std::optional<TextProblem> check_layers(std::string_view text) {
  TextProblem problem;
  if (text.empty() || parse_layers(text, problem)) return std::nullopt;
  return problem;
}

}  // namespace

std::vector<Field> model_fields() {
  using Role = FieldRole;
  using S = ModelConfig;
  std::vector<Field> fields;
  const Section model{"model", [](auto& c) { return &c.model; }, fields};
  const Section mamba1{"model", [](auto& c) { return &c.model.mamba1; }, fields};
  model.add(Role::FixesRun, "d_model", &S::d_model,
            {.range = between(1, 1 << 20),
             .unit = "channels",
             .help = "width of the residual stream",
             .required = true});
  model.add(Role::FixesRun, "n_layer", &S::n_layer,
            {.range = between(0, kMaxLayers),
             .unit = "blocks",
             .help = "layers; 0: as many as model.layers names"});
  model
      .add(Role::FixesRun, "layers", &S::layers,
           {.help = "kinds of layers in order, such as \"mamba1 x24\" or \"(mamba1 x5, s4d) x4\"; "
                    "empty: n_layer of mamba1"})
      .check = check_layers;
  model.add(Role::FixesRun, "vocab_size", &S::vocab_size,
            {.range = between(0, kMaxSize),
             .unit = "tokens",
             .help = "vocabulary; 0: that of data.train"});
  model.add(Role::FixesRun, "pad_vocab_multiple", &S::pad_vocab_multiple,
            {.range = between(1, kMaxSize),
             .unit = "rows",
             .help = "the embedding is padded to a multiple of it"});
  mamba1.add(Role::FixesRun, "d_state", &Mamba1Config::d_state,
             {.range = between(1, 256), .help = "states of a channel (N)"});
  mamba1.add(
      Role::FixesRun, "expand", &Mamba1Config::expand,
      {.range = between(1, 64), .help = "inner channels per channel of d_model", .meaning = true});
  mamba1.add(
      Role::FixesRun, "d_conv", &Mamba1Config::d_conv,
      {.range = between(2, 8), .unit = "positions", .help = "width of the causal convolution"});
  mamba1
      .add(Role::FixesRun, "dt_rank", &Mamba1Config::dt_rank,
           {.range = between(0, 1 << 20), .help = "rank of delta; 0: ceil(d_model / 16)"})
      .meaning = [](const Config& c) { return FieldValue(c.model.mamba1.rank(c.model.d_model)); };
  mamba1.add(Role::FixesRun, "dt_min", &Mamba1Config::dt_min,
             {.range = kPositive, .help = "smallest initial delta (log-uniform draw)"});
  mamba1.add(Role::FixesRun, "dt_max", &Mamba1Config::dt_max,
             {.range = kPositive, .help = "largest initial delta (log-uniform draw)"});
  mamba1.add(Role::FixesRun, "dt_init_floor", &Mamba1Config::dt_init_floor,
             {.range = kPositive, .help = "initial deltas are at least this"});
  model.add(Role::FixesRun, "tie_embeddings", &S::tie_embeddings,
            {.help = "the output head is the embedding"});
  mamba1.add(Role::FixesRun, "conv_bias", &Mamba1Config::conv_bias,
             {.help = "the convolution has a bias"});
  mamba1.add(Role::FixesRun, "proj_bias", &Mamba1Config::proj_bias,
             {.help = "in_proj and out_proj have biases"});
  mamba1.add(Role::FixesRun, "norm_bcdt", &Mamba1Config::norm_bcdt,
             {.help = "normalise B, C and dt (RMS, without weight): FalconMamba", .meaning = true});
  mamba1
      .add(Role::FixesRun, "bcdt_eps", &Mamba1Config::bcdt_eps,
           {.range = kPositive, .help = "epsilon of the normalisation of B, C and dt"})
      .meaning = [](const Config& c) {
    return FieldValue(c.model.mamba1.norm_bcdt ? c.model.mamba1.bcdt_eps : 0);
  };
  model.add(Role::FixesRun, "norm", &S::norm,
            {.help = "normalisation before each block", .meaning = true});
  model.add(Role::FixesRun, "norm_eps", &S::norm_eps,
            {.range = kPositive, .help = "epsilon of the normalisation", .meaning = true});
  model.add(Role::FixesRun, "rescale_prenorm_residual", &S::rescale_prenorm_residual,
            {.help = "divide initial out_proj weights by sqrt(n_layer)"});
  model.add(Role::FixesRun, "initializer_range", &S::initializer_range,
            {.range = kNotNegative, .help = "standard deviation of the initial embedding"});
  model.add(Role::FixesRun, "dropout", &S::dropout,
            {.range = kFraction, .help = "dropout of each block's output"});
  return fields;
}

}  // namespace krait
