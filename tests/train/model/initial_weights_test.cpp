#include "train/model/initial_weights.h"

#include <string>

#include <gtest/gtest.h>

#include "data/tokenizer/make_tokenizer.h"
#include "tests/support/temporary_directory.h"
#include "train/model/hugging_face/load.h"
#include "train/model/model_config.h"

namespace krait {
namespace {

class InitialWeights : public ::testing::Test {
 protected:
  InitialWeights() {
    config_.model = {.d_model = 12, .n_layer = 2, .mamba1 = {.d_state = 3}};
    config_.train.initial_weights = (directory_ / "model").string();
    LoadedModel start{.config = config_};
    start.tokenizer = make_tokenizer("byte");
    start.model = std::make_unique<LanguageModel>(model_config(config_, 257));
    start.model->initialise(5);
    expected_ = tensor_hash(values(*start.model));
    export_hugging_face(start, directory_ / "model");
  }
  static std::vector<NamedTensor> values(const LanguageModel& model) {
    std::vector<NamedTensor> result;
    for (const Parameter& p : model.parameters()) result.push_back({p.name, p.variable.value()});
    return result;
  }
  /// Hash of the weights that a model of config_ starts with.
  std::string start(const TokenizerIdentity& tokenizer = ByteTokenizer().identity()) const {
    const LanguageModel model(model_config(config_, 257));
    model.initialise(6);
    read_initial_weights(config_, tokenizer, values(model));
    return tensor_hash(values(model));
  }
  void expect_refused(std::initializer_list<std::string_view> parts) const {
    expect_error(ErrorKind::BadConfig, parts, [&] { start(); });
  }
  TemporaryDirectory directory_;
  Config config_;
  std::string expected_;
};

TEST_F(InitialWeights, AreThoseOfAPublishedModelOrOfACheckpoint) {
  EXPECT_EQ(start(), expected_);
  import_hugging_face(config_.train.initial_weights, directory_ / "run");
  config_.train.initial_weights = (directory_ / "run").string();
  EXPECT_EQ(start(), expected_);
}

TEST_F(InitialWeights, OfAnotherModelAreRefused) {
  const ModelConfig fits = config_.model;
  config_.model.mamba1.d_state = 4;
  expect_refused({"train.initial_weights", "A_log", "(24, 4)"});
  config_.model = fits, config_.model.n_layer = 1;
  expect_refused({"parameters"});
  config_.model = fits, config_.model.norm_eps = 1e-3;
  expect_refused({"model.norm_eps", "0.001"});
  config_.model = fits, config_.model.mamba1.norm_bcdt = true;
  expect_refused({"model.norm_bcdt"});
  config_.model = fits, config_.model.mamba1.dt_rank = 1;  // which is ceil(12 / 16)
  EXPECT_EQ(start(), expected_);
}

TEST_F(InitialWeights, OfAnotherTokenizerAreRefused) {
  expect_error(ErrorKind::BadConfig, {"another tokenizer", "other"}, [&] {
    start({"other", std::string(64, 'f')});
  });
}

}  // namespace
}  // namespace krait
