#include "train/model/model_config.h"

#include "core/error.h"

namespace krait {

MambaConfig model_config(const Config& config, std::int64_t vocab_size) {
  const Config::Model& m = config.model;
  KRAIT_REQUIRE(vocab_size > 0, "[model_config] vocab_size must be positive, got ", vocab_size,
                ".");
  KRAIT_CHECK(BadData, m.vocab_size == 0 || m.vocab_size == vocab_size, "model.vocab_size is ",
              m.vocab_size, ", but the vocabulary of the data has ", vocab_size,
              " tokens; set model.vocab_size to 0 to take the data's, or use data made with the "
              "model's tokenizer.");
  using Precision = Config::Train::Precision;
  const Precision precision = config.train.precision;
  MambaConfig model{.d_model = m.d_model,
                    .n_layer = m.n_layer,
                    .vocab_size = vocab_size,
                    .pad_vocab_multiple = m.pad_vocab_multiple,
                    .d_state = m.d_state,
                    .expand = m.expand,
                    .d_conv = m.d_conv,
                    .dt_rank = m.dt_rank,
                    .dt_min = m.dt_min,
                    .dt_max = m.dt_max,
                    .dt_init_floor = m.dt_init_floor,
                    .tie_embeddings = m.tie_embeddings,
                    .conv_bias = m.conv_bias,
                    .proj_bias = m.proj_bias,
                    .norm_bcdt = m.norm_bcdt,
                    .bcdt_eps = m.bcdt_eps,
                    .norm = m.norm == Config::Model::Norm::Rms ? NormKind::Rms : NormKind::Layer,
                    .norm_eps = m.norm_eps,
                    .rescale_prenorm_residual = m.rescale_prenorm_residual,
                    .initializer_range = m.initializer_range,
                    .dropout = m.dropout,
                    .dtype = precision == Precision::F64 ? DType::F64 : DType::F32};
  if (precision == Precision::Bf16) model.compute = DType::BF16;
  return model;
}

}  // namespace krait
