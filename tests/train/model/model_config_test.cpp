#include "train/model/model_config.h"

#include <string>

#include <gtest/gtest.h>

#include "core/error.h"
#include "train/config/config.h"

namespace krait {
namespace {

constexpr const char* kYaml = R"(
run: {directory: r}
model: {d_model: 24, n_layer: 3, vocab_size: 0, pad_vocab_multiple: 16, d_state: 5, expand: 3,
        d_conv: 2, dt_rank: 7, dt_min: 0.002, dt_max: 0.3, dt_init_floor: 0.0002,
        tie_embeddings: false, norm: layer, norm_eps: 0.003, rescale_prenorm_residual: false,
        initializer_range: 0.5, dropout: 0.25}
data: {train: t.h5, sequence_length: 8}
train: {steps: 1, batch_size: 1, precision: f64}
optimizer: {lr: 0.1}
)";

TEST(ModelConfig, TakesEveryFieldOfTheModelSection) {
  const ModelConfig m = model_config(parse_config(kYaml, "test"), 257);
  EXPECT_EQ(m.d_model, 24);
  EXPECT_EQ(m.n_layer, 3);
  EXPECT_EQ(m.vocab_size, 257);
  EXPECT_EQ(m.padded_vocab(), 272);
  EXPECT_EQ(m.mamba1.d_state, 5);
  EXPECT_EQ(m.mamba1.d_inner(m.d_model), 72);
  EXPECT_EQ(m.mamba1.d_conv, 2);
  EXPECT_EQ(m.mamba1.rank(m.d_model), 7);
  EXPECT_EQ(m.mamba1.dt_min, 0.002);
  EXPECT_EQ(m.mamba1.dt_max, 0.3);
  EXPECT_EQ(m.mamba1.dt_init_floor, 0.0002);
  EXPECT_FALSE(m.tie_embeddings);
  EXPECT_EQ(m.norm, NormKind::Layer);
  EXPECT_EQ(m.norm_eps, 0.003);
  EXPECT_FALSE(m.rescale_prenorm_residual);
  EXPECT_EQ(m.initializer_range, 0.5);
  EXPECT_EQ(m.dropout, 0.25);
  EXPECT_EQ(m.dtype, DType::F64);
}

TEST(ModelConfig, DefaultsAreThePublishedOnes) {
  Config config;
  config.model.d_model = 768;
  config.model.n_layer = 24;
  const ModelConfig m = model_config(config, 50277), published;
  EXPECT_EQ(m.mamba1.d_state, published.mamba1.d_state);
  EXPECT_EQ(m.mamba1.expand, published.mamba1.expand);
  EXPECT_EQ(m.mamba1.d_conv, published.mamba1.d_conv);
  EXPECT_EQ(m.mamba1.rank(m.d_model), published.mamba1.rank(published.d_model));
  EXPECT_EQ(m.mamba1.dt_min, published.mamba1.dt_min);
  EXPECT_EQ(m.mamba1.dt_max, published.mamba1.dt_max);
  EXPECT_EQ(m.mamba1.dt_init_floor, published.mamba1.dt_init_floor);
  EXPECT_EQ(m.tie_embeddings, published.tie_embeddings);
  EXPECT_EQ(m.norm, published.norm);
  EXPECT_EQ(m.norm_eps, published.norm_eps);
  EXPECT_EQ(m.rescale_prenorm_residual, published.rescale_prenorm_residual);
  EXPECT_EQ(m.initializer_range, published.initializer_range);
  EXPECT_EQ(m.dropout, published.dropout);
  EXPECT_EQ(m.padded_vocab(), 50280);
  EXPECT_EQ(m.dtype, DType::F32);
}

TEST(ModelConfig, AVocabularyOfTheModelThatIsNotTheDatasIsBadData) {
  Config config = parse_config(kYaml, "test", {"model.vocab_size=300"});
  EXPECT_EQ(model_config(config, 300).vocab_size, 300);
  try {
    model_config(config, 257);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::BadData);
    EXPECT_NE(message.find("300"), std::string::npos) << message;
    EXPECT_NE(message.find("257"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace krait
