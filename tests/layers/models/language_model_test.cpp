#include "layers/models/language_model.h"

#include <cmath>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/gradient_check.h"
#include "autograd/node.h"
#include "autograd/operations/elementwise.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/view.h"
#include "core/memory/allocator.h"
#include "core/system/parallel.h"
#include "layers/models/classifier.h"

namespace krait {
namespace {

ModelConfig small(DType dtype = DType::F64) {
  return {.d_model = 12, .n_layer = 2, .vocab_size = 13, .mamba1 = {.d_state = 5}, .dtype = dtype};
}

Tensor random_ids(const Shape& shape, std::int64_t vocab, std::uint32_t stream) {
  const RandomStream random{.seed = 8, .stream = stream};
  const Tensor t = Tensor::empty(shape, DType::I32);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.data<std::int32_t>()[i] = static_cast<std::int32_t>(
        random.uniform(static_cast<std::uint64_t>(i)) * static_cast<double>(vocab));
  }
  return t;
}

/// Largest difference relative to the largest element of `b`.
double difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const Tensor x = dense(a), y = dense(b);
  double worst = 0, scale = 1e-300;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    worst = std::max(worst, std::abs(x.data<double>()[i] - y.data<double>()[i]));
    scale = std::max(scale, std::abs(y.data<double>()[i]));
  }
  return worst / scale;
}

using Gradients = std::map<std::string, Tensor>;
Gradients take_gradients(const Module& m) {
  Gradients out;
  for (const Parameter& p : m.parameters()) {
    if (p.variable.grad().defined()) out[p.name] = p.variable.grad();
    p.variable.clear_grad();
  }
  return out;
}

void expect_equal_gradients(const Gradients& a, const Gradients& b, double limit) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (const auto& [name, grad] : a) EXPECT_LE(difference(grad, b.at(name)), limit) << name;
}

// f64 sums in another order: a few hundred roundings of 1e-16.
constexpr double kReordered = 1e-12;

TEST(LanguageModel, HasThePublishedParameterCounts) {
  struct Size {
    std::int64_t d_model, n_layer, parameters;
  };
  for (const Size& s :
       {Size{768, 24, 129135360}, Size{1024, 48, 371516416}, Size{1536, 48, 793204224},
        Size{2048, 48, 1372178432}, Size{2560, 64, 2768345600}}) {
    const ShapesOnlyScope no_memory;
    const LanguageModel model({.d_model = s.d_model, .n_layer = s.n_layer, .vocab_size = 50277});
    EXPECT_EQ(model.parameter_count(), s.parameters) << "d_model " << s.d_model;
  }
}

TEST(LanguageModel, NamesParametersAsThePublishedCheckpointsDo) {
  ModelConfig c = small();
  c.n_layer = 1;
  c.tie_embeddings = false;
  const LanguageModel model(c);
  std::vector<std::string> names;
  for (const Parameter& p : model.parameters()) names.push_back(p.name);
  const std::string mixer = "backbone.layers.0.mixer.";
  EXPECT_EQ(names, (std::vector<std::string>{
                       "backbone.embedding.weight", "backbone.layers.0.norm.weight",
                       mixer + "A_log", mixer + "D", mixer + "in_proj.weight",
                       mixer + "conv1d.weight", mixer + "conv1d.bias", mixer + "x_proj.weight",
                       mixer + "dt_proj.weight", mixer + "dt_proj.bias", mixer + "out_proj.weight",
                       "backbone.norm_f.weight", "lm_head.weight"}));
  EXPECT_EQ(model.head().shape(), (Shape{16, 12}));  // 13 padded to a multiple of 8
}

TEST(LanguageModel, InitialisesAsTheOfficialCode) {
  const ModelConfig c{.d_model = 64, .n_layer = 4, .vocab_size = 1000, .dtype = DType::F64};
  const LanguageModel model(c);
  model.initialise(3);
  std::map<std::string, Tensor> p;
  for (const Parameter& x : model.parameters()) p[x.name] = x.variable.value();
  const auto range = [&](const std::string& name) {
    const auto v = p.at(name).span<double>();
    return std::pair(*std::min_element(v.begin(), v.end()), *std::max_element(v.begin(), v.end()));
  };
  const auto expect_uniform = [&](const std::string& name, double bound) {
    const auto [low, high] = range(name);
    EXPECT_GE(low, -bound) << name;
    EXPECT_LE(high, bound) << name;
    EXPECT_LT(low, -0.93 * bound) << name;  // 128 samples or more come that near to both ends
    EXPECT_GT(high, 0.93 * bound) << name;
  };
  const std::string mixer = "backbone.layers.2.mixer.";
  expect_uniform(mixer + "in_proj.weight", 1 / std::sqrt(64.0));
  expect_uniform(mixer + "x_proj.weight", 1 / std::sqrt(128.0));
  expect_uniform(mixer + "out_proj.weight", 1 / std::sqrt(128.0) / std::sqrt(4.0));
  expect_uniform(mixer + "conv1d.weight", 0.5);
  expect_uniform(mixer + "conv1d.bias", 0.5);
  expect_uniform(mixer + "dt_proj.weight", 1 / std::sqrt(4.0));  // rank^-1/2, rank = 64 / 16
  for (const double x : p.at(mixer + "dt_proj.bias").span<double>()) {
    const double dt = std::log1p(std::exp(x));
    EXPECT_GE(dt, 0.999e-3);
    EXPECT_LE(dt, 0.1001);
  }
  for (int n = 0; n < 16; ++n) {
    EXPECT_DOUBLE_EQ(p.at(mixer + "A_log").data<double>()[5 * 16 + n], std::log(n + 1.0));
  }
  EXPECT_EQ(range(mixer + "D"), std::pair(1.0, 1.0));
  EXPECT_EQ(range("backbone.norm_f.weight"), std::pair(1.0, 1.0));
  double square_sum = 0;
  const auto embedding = p.at("backbone.embedding.weight").span<double>();
  for (const double x : embedding) square_sum += x * x;
  const double deviation = std::sqrt(square_sum / static_cast<double>(embedding.size()));
  EXPECT_NEAR(deviation, 0.02, 0.0004);  // 64,000 samples: standard error 0.3 %
}

TEST(LanguageModel, InitialValuesDependOnSeedAndNameOnly) {
  const LanguageModel f64(small()), f32(small(DType::F32)), other(small());
  f64.initialise(1), f32.initialise(1), other.initialise(2);
  const auto a = f64.parameters(), b = f32.parameters(), c = other.parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor x = a[i].variable.value(), y = b[i].variable.value();
    for (std::int64_t k = 0; k < x.numel(); ++k) {
      ASSERT_EQ(static_cast<float>(x.data<double>()[k]), y.data<float>()[k]) << a[i].name;
    }
  }
  EXPECT_NE(a[0].variable.value().data<double>()[0], c[0].variable.value().data<double>()[0]);
}

TEST(LanguageModel, PackedDocumentsEqualTheDocumentsOneByOne) {
  const LanguageModel model(small());
  model.initialise(5);
  const std::vector<std::int64_t> lengths{3, 1, 70, 2, 9};  // shorter and longer than the conv
  std::int64_t total = 0;
  for (const std::int64_t n : lengths) total += n;
  const Tensor ids = random_ids({1, total}, 13, 1), targets = random_ids({1, total}, 13, 2);
  const Tensor sequence_ids = Tensor::empty({1, total}, DType::I32);
  std::vector<double> separate;
  std::int64_t first = 0;
  for (std::size_t doc = 0; doc < lengths.size(); ++doc) {
    const std::int64_t end = first + lengths[doc];
    std::fill(sequence_ids.data<std::int32_t>() + first, sequence_ids.data<std::int32_t>() + end,
              static_cast<std::int32_t>(doc));
    const Variable losses =
        model.losses(model.forward(ids.slice(1, first, end)).hidden, targets.slice(1, first, end));
    for (const double x : losses.value().span<double>()) separate.push_back(x);
    backward(sum(losses));
    first = end;
  }
  const Gradients one_by_one = take_gradients(model);
  const Variable packed =
      model.losses(model.forward(ids, {.sequence_ids = sequence_ids}).hidden, targets);
  backward(sum(packed));
  for (std::int64_t i = 0; i < total; ++i) {
    EXPECT_NEAR(packed.value().data<double>()[i], separate[static_cast<std::size_t>(i)], 1e-12);
  }
  expect_equal_gradients(take_gradients(model), one_by_one, kReordered);
}

TEST(LanguageModel, PiecesWithCarriedStateEqualTheWholeWithGradients) {
  const LanguageModel model(small());
  model.initialise(6);
  const std::int64_t length = 90;
  const Tensor ids = random_ids({2, length}, 13, 3), targets = random_ids({2, length}, 13, 4);
  const Variable whole = sum(model.losses(model.forward(ids).hidden, targets));
  backward(whole);
  const Gradients expected = take_gradients(model);
  for (const std::vector<std::int64_t>& cuts : {std::vector<std::int64_t>{45}, {1, 3, 70}}) {
    ModelState state;
    Variable total;
    std::int64_t first = 0;
    std::vector<std::int64_t> ends = cuts;
    ends.push_back(length);
    for (const std::int64_t end : ends) {
      const auto out = model.forward(dense(ids.slice(1, first, end)),
                                     {.initial = first > 0 ? &state : nullptr, .want_final = true});
      const Variable loss = sum(model.losses(out.hidden, dense(targets.slice(1, first, end))));
      total = total.defined() ? total + loss : loss;
      state = out.final;
      first = end;
    }
    EXPECT_NEAR(total.value().item(), whole.value().item(), 1e-10);
    backward(total);
    expect_equal_gradients(take_gradients(model), expected, kReordered);
  }
}

TEST(LanguageModel, TokenByTokenEqualsTheForwardPass) {
  const LanguageModel model(small());
  model.initialise(7);
  const Tensor ids = random_ids({2, 40}, 13, 5);
  const NoGradScope no_grad;
  const Tensor whole = model.logits(model.forward(ids).hidden).value();
  ModelState state;
  for (std::int64_t t = 0; t < 40; ++t) {
    const auto out = model.forward(dense(ids.slice(1, t, t + 1)),
                                   {.initial = t > 0 ? &state : nullptr, .want_final = true});
    state = out.final;
    EXPECT_LE(difference(model.logits(out.hidden).value(), whole.slice(1, t, t + 1)), kReordered)
        << "position " << t;
  }
}

TEST(LanguageModel, RecomputedBlocksGiveTheSameBitsAlsoWithDropout) {
  ModelConfig c = small();
  c.dropout = 0.3;
  const LanguageModel model(c);
  model.initialise(8);
  const Tensor ids = random_ids({2, 20}, 13, 6), targets = random_ids({2, 20}, 13, 7);
  std::map<bool, Gradients> gradients;
  std::map<bool, double> loss;
  for (const bool again : {false, true}) {
    const TrainingScope scope(9, 4);
    const Variable total =
        sum(model.losses(model.forward(ids, {.recompute = again}).hidden, targets));
    loss[again] = total.value().item();
    backward(total);
    gradients[again] = take_gradients(model);
  }
  EXPECT_EQ(loss[false], loss[true]);
  expect_equal_gradients(gradients[true], gradients[false], 0);
  const TrainingScope scope(9, 5);
  EXPECT_NE(sum(model.losses(model.forward(ids).hidden, targets)).value().item(), loss[true]);
}

TEST(LanguageModel, ResultsDoNotDependOnTheNumberOfThreads) {
  const LanguageModel model(small());
  model.initialise(9);
  const Tensor ids = random_ids({3, 50}, 13, 8), targets = random_ids({3, 50}, 13, 9);
  const int threads = thread_count();
  std::map<int, Gradients> gradients;
  for (const int n : {1, 3}) {
    set_thread_count(n);
    backward(sum(model.losses(model.forward(ids).hidden, targets)));
    gradients[n] = take_gradients(model);
  }
  set_thread_count(threads);
  expect_equal_gradients(gradients[3], gradients[1], 0);
}

TEST(Classifier, MasksPositionsOutAndDifferentiates) {
  const Classifier model(small(), 3);
  model.initialise(10);
  const Tensor ids = random_ids({2, 6}, 13, 10), labels = Tensor::from<std::int32_t>({2}, {2, 0});
  const Tensor mask = Tensor::from<double>({2, 6}, {1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1});
  const Tensor before = model.logits(model.pooled(ids, mask)).value();
  ids.data<std::int32_t>()[4] = (ids.data<std::int32_t>()[4] + 1) % 13;  // masked: no effect
  EXPECT_EQ(difference(model.logits(model.pooled(ids, mask)).value(), before), 0);
  ids.data<std::int32_t>()[8] = (ids.data<std::int32_t>()[8] + 1) % 13;
  EXPECT_GT(difference(model.logits(model.pooled(ids, mask)).value(), before), 1e-6);
  const auto losses = [&] { return std::vector{model.losses(model.pooled(ids, mask), labels)}; };
  const GradientCheck check = check_gradients(losses, model.variables());
  EXPECT_LT(check.worst, 1e-7) << check.where;
}

TEST(LanguageModel, LayerNormModelsTrainToo) {
  ModelConfig c = small();
  c.norm = NormKind::Layer;
  c.n_layer = 1;
  const LanguageModel model(c);
  model.initialise(11);
  const Tensor ids = random_ids({1, 5}, 13, 11), targets = random_ids({1, 5}, 13, 12);
  const auto losses = [&] { return std::vector{model.losses(model.forward(ids).hidden, targets)}; };
  const GradientCheck check = check_gradients(losses, model.variables());
  EXPECT_LT(check.worst, 1e-7) << check.where;
}

/// The options that published models have beyond the defaults.
ModelConfig with_options(bool norm_bcdt, bool proj_bias, bool conv_bias) {
  ModelConfig c = small();
  c.n_layer = 1;
  c.mamba1.norm_bcdt = norm_bcdt;
  c.mamba1.bcdt_eps = 1e-2;  // large enough to count
  c.mamba1.proj_bias = proj_bias;
  c.mamba1.conv_bias = conv_bias;
  return c;
}

TEST(LanguageModel, BiasesAreThereWhenAskedFor) {
  for (const bool proj : {false, true}) {
    for (const bool conv : {false, true}) {
      const LanguageModel model(with_options(false, proj, conv));
      std::map<std::string, Shape> biases;
      for (const Parameter& p : model.parameters()) {
        if (!p.name.ends_with(".bias")) continue;
        EXPECT_FALSE(p.weight_decay) << p.name;
        biases[p.name] = p.variable.shape();
      }
      const std::string mixer = "backbone.layers.0.mixer.";
      std::map<std::string, Shape> expected{{mixer + "dt_proj.bias", {24}}};
      if (conv) expected[mixer + "conv1d.bias"] = {24};
      if (proj) expected[mixer + "in_proj.bias"] = {48};
      if (proj) expected[mixer + "out_proj.bias"] = {12};
      EXPECT_EQ(biases, expected);
    }
  }
}

TEST(LanguageModel, EveryOptionOfTheBlockDifferentiates) {
  const Tensor ids = random_ids({1, 5}, 13, 15), targets = random_ids({1, 5}, 13, 16);
  for (const auto& [norm, proj, conv] :
       {std::tuple{true, false, true}, {false, true, false}, {true, true, false}}) {
    const LanguageModel model(with_options(norm, proj, conv));
    model.initialise(13);
    for (const Parameter& p : model.parameters()) {  // no zeros: a term left out must show
      if (p.name.ends_with("proj.bias")) {
        const Tensor& value = p.variable.value();
        for (std::int64_t i = 0; i < value.numel(); ++i) {
          value.data<double>()[i] += 0.1 * static_cast<double>(i % 7 - 3);
        }
      }
    }
    const auto losses = [&] {
      return std::vector{model.losses(model.forward(ids).hidden, targets)};
    };
    const GradientCheck check = check_gradients(losses, model.variables());
    EXPECT_LT(check.worst, 1e-7) << check.where;
  }
}

TEST(LanguageModel, NormalisedBCDtDoNotDependOnTheScaleOfTheirProjection) {
  const Tensor ids = random_ids({1, 9}, 13, 17);
  for (const bool norm : {false, true}) {
    ModelConfig c = with_options(norm, false, true);
    c.mamba1.bcdt_eps = 1e-12;
    const LanguageModel model(c);
    model.initialise(14);
    const Tensor before = model.logits(model.forward(ids).hidden).value();
    for (const Parameter& p : model.parameters()) {
      if (!p.name.ends_with("x_proj.weight")) continue;
      for (double& w : p.variable.value().span<double>()) w *= 3;
    }
    const double change = difference(model.logits(model.forward(ids).hidden).value(), before);
    if (norm) {
      EXPECT_LT(change, 1e-6);
    } else {
      EXPECT_GT(change, 1e-4);
    }
  }
}

TEST(LanguageModel, AfterTheFirstPassNoMemoryIsTakenFromTheSystem) {
  const LanguageModel model(small());
  model.initialise(12);
  const Tensor ids = random_ids({2, 50}, 13, 13), targets = random_ids({2, 50}, 13, 14);
  std::uint64_t calls[3] = {};
  // With more threads, how much scratch is in use at once depends on how they happen to overlap.
  const int threads = thread_count();
  set_thread_count(1);
  for (std::uint64_t& count : calls) {
    backward(sum(model.losses(model.forward(ids).hidden, targets)));
    count = allocator({}).statistics().driver_calls;
  }
  set_thread_count(threads);
  EXPECT_GT(calls[0], 0u);
  EXPECT_EQ(calls[2], calls[1]);
}

TEST(LanguageModel, RejectsAStateOfAnotherModel) {
  const LanguageModel model(small());
  const ModelState state(3);
  EXPECT_THROW(model.forward(random_ids({1, 2}, 13, 1), {.initial = &state}), Error);
}

}  // namespace
}  // namespace krait
