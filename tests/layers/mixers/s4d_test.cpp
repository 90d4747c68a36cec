#include "layers/mixers/s4d.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/gradient_check.h"
#include "autograd/node.h"
#include "autograd/operations/reduce.h"
#include "core/error.h"
#include "layers/models/language_model.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using testing::random_ids;

ModelConfig model_of(const std::string& layers, S4dInitial initial = S4dInitial::Lin) {
  return {.d_model = 6,
          .layers = layers,
          .vocab_size = 11,
          .mamba1 = {.d_state = 3},
          .s4d = {.d_state = 4, .d_conv = 3, .initial = initial},
          .dtype = DType::F64};
}

/// The largest difference of two arrays.
double difference(const Tensor& a, const Tensor& b) {
  const auto x = testing::values(a), y = testing::values(b);
  EXPECT_EQ(x.size(), y.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

std::vector<ModelConfig> models() {
  return {model_of("s4d x2"), model_of("s4d x2", S4dInitial::Real), model_of("mamba1, s4d"),
          model_of("s4d, mamba1", S4dInitial::Real)};
}

TEST(S4d, GradientsOfAModelAgreeWithDifferences) {
  for (const ModelConfig& c : models()) {
    const LanguageModel model(c);
    model.initialise(1);
    const Tensor ids = random_ids({2, 5}, 11, 1), targets = random_ids({2, 5}, 11, 2);
    const GradientCheck check = check_gradients(
        [&] { return std::vector{model.losses(model.forward(ids).hidden, targets)}; },
        model.variables());
    EXPECT_LT(check.worst, 2e-6) << c.layers << ": " << check.where;
  }
}

TEST(S4d, WholeIsChunksIsTokenByToken) {
  const NoGradScope no_grad;
  for (const ModelConfig& c : models()) {
    const LanguageModel model(c);
    model.initialise(2);
    const Tensor ids = random_ids({2, 12}, 11, 3);
    const Tensor whole = model.forward(ids).hidden.value();
    for (const std::int64_t piece : {1, 5}) {
      ModelState state = model.zero_state(2);
      for (std::int64_t begin = 0; begin < 12; begin += piece) {
        const std::int64_t end = std::min<std::int64_t>(begin + piece, 12);
        const Tensor part = dense(ids.slice(1, begin, end));
        const ModelHidden out = model.forward(part, {.initial = &state, .want_final = true});
        EXPECT_LT(difference(out.hidden.value(), whole.slice(1, begin, end)), 1e-12) << c.layers;
        state = out.final;
      }
    }
  }
}

TEST(S4d, PackedSequencesSeeNothingOfEachOther) {
  const NoGradScope no_grad;
  for (const ModelConfig& c : models()) {
    const LanguageModel model(c);
    model.initialise(3);
    const Tensor ids = random_ids({1, 10}, 11, 4);
    Tensor sequences = Tensor::zeros({1, 10}, DType::I32);
    for (std::int64_t i = 6; i < 10; ++i) sequences.data<std::int32_t>()[i] = 1;
    const Tensor packed = model.forward(ids, {.sequence_ids = sequences}).hidden.value();
    const Tensor second = model.forward(dense(ids.slice(1, 6, 10))).hidden.value();
    EXPECT_LT(difference(packed.slice(1, 6, 10), second), 1e-12) << c.layers;
    EXPECT_GT(difference(model.forward(ids).hidden.value().slice(1, 6, 10), second), 1e-6);
  }
}

TEST(S4d, RecomputedBlocksGiveTheSameGradients) {
  const LanguageModel model(model_of("mamba1, s4d"));
  model.initialise(4);
  const Tensor ids = random_ids({2, 7}, 11, 5), targets = random_ids({2, 7}, 11, 6);
  std::vector<std::vector<double>> gradients[2];
  for (const bool again : {false, true}) {
    for (const Variable& v : model.variables())
      v.bind(v.value(), testing::zeros(v.shape(), v.dtype()));
    backward(sum(model.losses(model.forward(ids, {.recompute = again}).hidden, targets)));
    for (const Variable& v : model.variables())
      gradients[again].push_back(testing::values(v.grad()));
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(S4d, StartsAsPublished) {
  const LayerPlace place{.d_model = 4, .dtype = DType::F64};
  const S4d lin({.d_state = 6, .dt_min = 0.01, .dt_max = 0.2}, place);
  lin.initialise(5);
  for (const Parameter& p : lin.parameters()) {
    const auto v = testing::values(p.variable.value());
    if (p.name == "log_A_real") {
      EXPECT_EQ(v, std::vector<double>(8 * 3, std::log(0.5)));
    }
    if (p.name == "A_imag") {
      for (std::size_t i = 0; i < v.size(); ++i) {
        EXPECT_DOUBLE_EQ(v[i], std::numbers::pi * static_cast<double>(i % 3));
      }
    }
    if (p.name == "log_dt") {
      for (const double x : v) EXPECT_TRUE(x >= std::log(0.01) && x <= std::log(0.2));
    }
    const bool of_the_state =
        p.name == "log_dt" || p.name == "log_A_real" || p.name == "A_imag" || p.name == "D";
    if (of_the_state) {
      EXPECT_FALSE(p.weight_decay) << p.name;
    }
  }
  const S4d real({.d_state = 3, .initial = S4dInitial::Real}, place);
  real.initialise(6);
  for (const Parameter& p : real.parameters()) {
    EXPECT_NE(p.name, "A_imag");
    EXPECT_NE(p.name, "C_imag");
    if (p.name != "log_A_real") continue;
    const auto v = testing::values(p.variable.value());
    for (std::size_t i = 0; i < v.size(); ++i) {
      EXPECT_DOUBLE_EQ(v[i], std::log(static_cast<double>(i % 3 + 1)));
    }
  }
  EXPECT_THROW(S4d({.d_state = 5}, place), Error);
}

TEST(S4d, KnowsWhatItCosts) {
  const LayerPlace place{.d_model = 8, .dtype = DType::F32};
  const S4d mixer({.d_state = 4, .d_conv = 3}, place);
  std::int64_t bytes = 0;
  for (const Variable& part : mixer.zero_state(1, {}).parts) {
    bytes += static_cast<std::int64_t>(part.value().bytes());
  }
  EXPECT_EQ(mixer.cost().state_bytes, bytes);
  EXPECT_GT(mixer.cost().flops, 2.0 * 3 * 8 * 16);
}

}  // namespace
}  // namespace krait
