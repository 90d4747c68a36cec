// The files in configs/: that they load, and that the published models are the published ones.
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "train/config/config.h"
#include "train/step/schedule.h"

namespace krait {
namespace {

const std::filesystem::path kFolder = KRAIT_SOURCE_DIR "/configs";

struct Published {
  const char* file;
  std::int64_t d_model;
  std::int64_t n_layer;
  double lr;  // of the improved recipe
  std::int64_t parameters;
};

// Sizes and counts as published; GPT-3's learning rates (Brown et al. 2020, table 2.1) times 5,
// for 2.8B times 3.
const Published kPublished[] = {
    {"mamba_130m.yaml", 768, 24, 5 * 6e-4, 129135360},
    {"mamba_370m.yaml", 1024, 48, 5 * 3e-4, 371516416},
    {"mamba_790m.yaml", 1536, 48, 5 * 2.5e-4, 793204224},
    {"mamba_1.4b.yaml", 2048, 48, 5 * 2e-4, 1372178432},
    {"mamba_2.8b.yaml", 2560, 64, 3 * 1.6e-4, 2768345600},
};

// Parameters of a Mamba-1 language model, written out independently of the layers.
std::int64_t parameter_count(const ModelConfig& m) {
  const std::int64_t d = m.d_model;
  const std::int64_t inner = m.mamba1.expand * d;
  const std::int64_t rank = m.mamba1.dt_rank > 0 ? m.mamba1.dt_rank : (d + 15) / 16;
  const std::int64_t pad = m.pad_vocab_multiple;
  const std::int64_t vocab = (m.vocab_size + pad - 1) / pad * pad;
  const std::int64_t conv = inner * m.mamba1.d_conv + inner;
  const std::int64_t projections =
      2 * inner * d + (rank + 2 * m.mamba1.d_state) * inner + inner * d;
  const std::int64_t delta = inner * rank + inner;
  const std::int64_t scan = inner * m.mamba1.d_state + inner;
  return vocab * d * (m.tie_embeddings ? 1 : 2) +
         m.n_layer * (d + conv + projections + delta + scan) + d;
}

TEST(PublishedConfigs, EveryFileInConfigsLoadsAndHasARunDirectoryOfItsOwn) {
  std::set<std::string> directories;
  int loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_EQ(entry.path().extension(), ".yaml");
    Config config;
    ASSERT_NO_THROW(config = load_config(entry.path()));
    EXPECT_TRUE(directories.insert(config.run.directory).second) << config.run.directory;
    EXPECT_EQ(config.run.directory, std::string("runs/") + entry.path().stem().string());
    ++loaded;
  }
  EXPECT_GE(loaded, 6);
}

TEST(PublishedConfigs, TheFiveSizesHaveThePublishedShapesAndCounts) {
  for (const Published& published : kPublished) {
    SCOPED_TRACE(published.file);
    const Config c = load_config(kFolder / published.file);
    EXPECT_EQ(c.model.d_model, published.d_model);
    EXPECT_EQ(c.model.n_layer, published.n_layer);
    EXPECT_EQ(parameter_count(c.model), published.parameters);
    EXPECT_EQ(c.model.mamba1.dt_rank, (c.model.d_model + 15) / 16);
    EXPECT_TRUE(c.model.tie_embeddings);
    EXPECT_TRUE(c.model.rescale_prenorm_residual);
    EXPECT_EQ(c.model.norm, NormKind::Rms);
  }
}

TEST(PublishedConfigs, TheFiveSizesHaveThePublishedRecipe) {
  for (const Published& published : kPublished) {
    SCOPED_TRACE(published.file);
    const Config c = load_config(kFolder / published.file);
    EXPECT_NEAR(c.optimizer.lr, published.lr, 1e-12);
    EXPECT_EQ(c.optimizer.beta1, 0.9);
    EXPECT_EQ(c.optimizer.beta2, 0.95);
    EXPECT_EQ(c.optimizer.weight_decay, 0.1);
    EXPECT_EQ(c.optimizer.clip_norm, 1.0);
    EXPECT_EQ(c.data.sequence_length, 2048);
    const std::int64_t step_tokens = c.train.batch_size * c.data.sequence_length;
    EXPECT_EQ(step_tokens, 524288);
    EXPECT_GE(c.train.steps * step_tokens, 300'000'000'000);
    EXPECT_LT((c.train.steps - 1) * step_tokens, 300'000'000'000);
    EXPECT_EQ(c.schedule.warmup_steps, c.train.steps / 10);
    const LearningRate rate{c.schedule, c.optimizer.lr, c.train.steps};
    EXPECT_EQ(rate(c.schedule.warmup_steps), c.optimizer.lr);
    EXPECT_NEAR(rate(c.train.steps), 1e-5, 1e-9);
    EXPECT_EQ(c.train.precision, Precision::Bf16);
  }
}

}  // namespace
}  // namespace krait
