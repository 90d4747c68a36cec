#include "train/config/section.h"
#include "train/config/sections.h"

namespace krait {

std::vector<Field> model_fields() {
  using Role = FieldRole;
  using S = MambaConfig;
  std::vector<Field> fields;
  const Section model{"model", [](auto& c) { return &c.model; }, fields};
  model.add(Role::FixesRun, "d_model", &S::d_model,
            {.range = between(1, 1 << 20),
             .unit = "channels",
             .help = "width of the residual stream",
             .required = true});
  model.add(
      Role::FixesRun, "n_layer", &S::n_layer,
      {.range = between(1, 4096), .unit = "blocks", .help = "Mamba blocks", .required = true});
  model.add(Role::FixesRun, "vocab_size", &S::vocab_size,
            {.range = between(0, kMaxSize),
             .unit = "tokens",
             .help = "vocabulary; 0: that of data.train"});
  model.add(Role::FixesRun, "pad_vocab_multiple", &S::pad_vocab_multiple,
            {.range = between(1, kMaxSize),
             .unit = "rows",
             .help = "the embedding is padded to a multiple of it"});
  model.add(Role::FixesRun, "d_state", &S::d_state,
            {.range = between(1, 256), .help = "states of a channel (N)"});
  model.add(
      Role::FixesRun, "expand", &S::expand,
      {.range = between(1, 64), .help = "inner channels per channel of d_model", .meaning = true});
  model.add(
      Role::FixesRun, "d_conv", &S::d_conv,
      {.range = between(2, 8), .unit = "positions", .help = "width of the causal convolution"});
  model
      .add(Role::FixesRun, "dt_rank", &S::dt_rank,
           {.range = between(0, 1 << 20), .help = "rank of delta; 0: ceil(d_model / 16)"})
      .meaning = [](const Config& c) { return FieldValue(c.model.rank()); };
  model.add(Role::FixesRun, "dt_min", &S::dt_min,
            {.range = kPositive, .help = "smallest initial delta (log-uniform draw)"});
  model.add(Role::FixesRun, "dt_max", &S::dt_max,
            {.range = kPositive, .help = "largest initial delta (log-uniform draw)"});
  model.add(Role::FixesRun, "dt_init_floor", &S::dt_init_floor,
            {.range = kPositive, .help = "initial deltas are at least this"});
  model.add(Role::FixesRun, "tie_embeddings", &S::tie_embeddings,
            {.help = "the output head is the embedding"});
  model.add(Role::FixesRun, "conv_bias", &S::conv_bias, {.help = "the convolution has a bias"});
  model.add(Role::FixesRun, "proj_bias", &S::proj_bias,
            {.help = "in_proj and out_proj have biases"});
  model.add(Role::FixesRun, "norm_bcdt", &S::norm_bcdt,
            {.help = "normalise B, C and dt (RMS, without weight): FalconMamba", .meaning = true});
  model
      .add(Role::FixesRun, "bcdt_eps", &S::bcdt_eps,
           {.range = kPositive, .help = "epsilon of the normalisation of B, C and dt"})
      .meaning = [](const Config& c) {
    return FieldValue(c.model.norm_bcdt ? c.model.bcdt_eps : 0);
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
