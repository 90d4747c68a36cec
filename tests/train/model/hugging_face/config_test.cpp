#include "train/model/hugging_face/config.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_directory.h"
#include "train/config/schema.h"

namespace krait {
namespace {

using nlohmann::json;

json mamba() {
  return {{"model_type", "mamba"},
          {"hidden_size", 48},
          {"num_hidden_layers", 3},
          {"vocab_size", 100},
          {"state_size", 8},
          {"conv_kernel", 3},
          {"expand", 2},
          {"intermediate_size", 144},
          {"time_step_rank", 5},
          {"layer_norm_epsilon", 1e-6},
          {"tie_word_embeddings", false},
          {"use_bias", true},
          {"use_conv_bias", false},
          {"hidden_act", "silu"},
          {"dtype", "bfloat16"},
          {"some_new_option", {1, 2}}};
}
json official() {
  return {{"d_model", 48},       {"n_layer", 3},
          {"vocab_size", 50277}, {"ssm_cfg", json::object()},
          {"rms_norm", true},    {"pad_vocab_size_multiple", 8}};
}

HuggingFaceConfig parse(const json& value) {
  return parse_hugging_face_config(value.dump(), "'config.json'");
}

void expect_bad(json value, const char* key, const json& bad,
                std::initializer_list<std::string_view> parts = {}) {
  value[key] = bad;
  expect_error(ErrorKind::BadData, {"'config.json'", key}, [&] { parse(value); });
  expect_error(ErrorKind::BadData, parts, [&] { parse(value); });
}

TEST(HuggingFaceConfig, ReadsThatOfTransformers) {
  const HuggingFaceConfig c = parse(mamba());
  EXPECT_EQ(c.style, HuggingFaceStyle::Transformers);
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.model.d_model, 48);
  EXPECT_EQ(c.model.n_layer, 3);
  EXPECT_EQ(c.model.vocab_size, 100);
  EXPECT_EQ(c.model.mamba1.d_state, 8);
  EXPECT_EQ(c.model.mamba1.d_conv, 3);
  EXPECT_EQ(c.model.mamba1.expand, 3);  // from the intermediate size
  EXPECT_EQ(c.model.mamba1.dt_rank, 5);
  EXPECT_EQ(c.model.norm_eps, 1e-6);
  EXPECT_FALSE(c.model.tie_embeddings);
  EXPECT_TRUE(c.model.mamba1.proj_bias);
  EXPECT_FALSE(c.model.mamba1.conv_bias);
  EXPECT_FALSE(c.model.mamba1.norm_bcdt);
}

TEST(HuggingFaceConfig, AbsentFieldsHaveTheDefaultsOfTheOriginal) {
  const HuggingFaceConfig c = parse({{"model_type", "falcon_mamba"}, {"torch_dtype", "float16"}});
  EXPECT_EQ(c.model.d_model, 768);
  EXPECT_EQ(c.model.n_layer, 32);
  EXPECT_EQ(c.model.vocab_size, 50280);
  EXPECT_EQ(c.model.mamba1.expand, 2);
  EXPECT_EQ(c.model.mamba1.dt_rank, 0);
  EXPECT_TRUE(c.model.tie_embeddings);
  EXPECT_TRUE(c.model.mamba1.conv_bias);
  EXPECT_FALSE(c.model.mamba1.proj_bias);
  EXPECT_TRUE(c.model.mamba1.norm_bcdt);
  EXPECT_EQ(c.model.mamba1.bcdt_eps, 1e-6);
  EXPECT_EQ(c.dtype, "float16");
  EXPECT_EQ(parse({{"model_type", "mamba"}, {"time_step_rank", "auto"}}).model.mamba1.dt_rank, 0);
  EXPECT_EQ(parse({{"model_type", "falcon_mamba"}, {"mixer_rms_eps", 1e-3}}).model.mamba1.bcdt_eps,
            1e-3);
}

TEST(HuggingFaceConfig, ReadsThatOfTheOfficialImplementation) {
  json value = official();
  HuggingFaceConfig c = parse(value);
  EXPECT_EQ(c.style, HuggingFaceStyle::StateSpaces);
  EXPECT_EQ(c.model.d_model, 48);
  EXPECT_EQ(c.model.vocab_size, 50277);
  EXPECT_EQ(c.model.pad_vocab_multiple, 8);
  EXPECT_EQ(c.model.mamba1.d_state, 16);
  EXPECT_TRUE(c.model.tie_embeddings);
  EXPECT_EQ(c.model.norm, NormKind::Rms);
  value["rms_norm"] = false;
  value["tie_embeddings"] = false;
  value["ssm_cfg"] = {{"layer", "Mamba1"}, {"d_state", 4},       {"d_conv", 2},
                      {"expand", 1},       {"dt_rank", "auto"},  {"conv_bias", false},
                      {"bias", true},      {"dt_init", "random"}};
  c = parse(value);
  EXPECT_EQ(c.model.norm, NormKind::Layer);
  EXPECT_FALSE(c.model.tie_embeddings);
  EXPECT_EQ(c.model.mamba1.d_state, 4);
  EXPECT_EQ(c.model.mamba1.d_conv, 2);
  EXPECT_EQ(c.model.mamba1.expand, 1);
  EXPECT_FALSE(c.model.mamba1.conv_bias);
  EXPECT_TRUE(c.model.mamba1.proj_bias);
}

TEST(HuggingFaceConfig, WhatTheModelCannotRepresentIsRefusedByName) {
  expect_bad(mamba(), "model_type", "mamba2", {"Mamba-2", "Mamba-1 models only"});
  expect_bad(mamba(), "model_type", "llama", {"llama", "falcon_mamba"});
  expect_bad(mamba(), "hidden_act", "gelu", {"gelu", "silu"});
  expect_bad(mamba(), "intermediate_size", 100, {"100", "48"});
  expect_bad(mamba(), "quantization_config", {{"bits", 4}}, {"quantised"});
  expect_bad(official(), "d_intermediate", 10, {"MLP"});
  expect_bad(official(), "attn_layer_idx", {1}, {"attention"});
  json value = official();
  value["ssm_cfg"] = {{"layer", "Mamba2"}};
  expect_error(ErrorKind::BadData, {"ssm_cfg", "Mamba-2"}, [&] { parse(value); });
  value["ssm_cfg"] = {{"headdim", 64}};
  expect_error(ErrorKind::BadData, {"ssm_cfg", "headdim"}, [&] { parse(value); });
  expect_error(ErrorKind::BadData, {"model_type", "d_model"}, [&] { parse({{"hidden_size", 3}}); });
}

TEST(HuggingFaceConfig, ValuesOfTheWrongTypeOrRangeAreRefused) {
  for (const json& bad : {json(0), json(-1), json(1 << 21), json(1.5), json("48"), json(true),
                          json(std::uint64_t{1} << 63), json(json::array())}) {
    expect_bad(mamba(), "hidden_size", bad);
  }
  expect_bad(mamba(), "vocab_size", 0);
  expect_bad(mamba(), "vocab_size", -5);
  expect_bad(mamba(), "state_size", 257);
  expect_bad(mamba(), "conv_kernel", 9);
  expect_bad(mamba(), "conv_kernel", 1);
  expect_bad(mamba(), "num_hidden_layers", 5000);
  expect_bad(mamba(), "time_step_rank", "all");
  expect_bad(mamba(), "time_step_rank", -1);
  expect_bad(mamba(), "layer_norm_epsilon", 0);
  expect_bad(mamba(), "layer_norm_epsilon", "tiny");
  expect_bad(mamba(), "tie_word_embeddings", 1);
  expect_bad(mamba(), "intermediate_size", -144);
  expect_bad(mamba(), "model_type", 7);
  expect_bad(official(), "ssm_cfg", 7);
}

TEST(HuggingFaceConfig, TheTextMustBeAJsonObjectWithoutDuplicates) {
  for (const char* text : {"", "[]", "{", R"({"model_type":"mamba","model_type":"mamba"})"}) {
    expect_error(ErrorKind::BadData, {"'c'"}, [&] { parse_hugging_face_config(text, "'c'"); });
  }
}

TEST(HuggingFaceConfig, WhatIsWrittenReadsBack) {
  for (const bool falcon : {false, true}) {
    for (const HuggingFaceStyle style :
         {HuggingFaceStyle::Transformers, HuggingFaceStyle::StateSpaces}) {
      if (falcon && style == HuggingFaceStyle::StateSpaces) continue;
      ModelConfig model = parse(mamba()).model;
      model.mamba1.norm_bcdt = falcon;
      model.mamba1.bcdt_eps = 3e-5;
      model.norm_eps = 1e-5;  // the only one of the official implementation
      model.pad_vocab_multiple = 1;
      const HuggingFaceConfig back = parse_hugging_face_config(
          hugging_face_config_json(model, style, {.dtype = "float16"}), "written");
      EXPECT_EQ(back.style, style);
      Config a, b;
      a.model = model, b.model = back.model;
      if (!falcon) b.model.mamba1.bcdt_eps = model.mamba1.bcdt_eps;
      if (style == HuggingFaceStyle::StateSpaces) {  // it has no place for these
        b.model.initializer_range = model.initializer_range;
        b.model.rescale_prenorm_residual = model.rescale_prenorm_residual;
      }
      for (const Field& f : config_fields()) {
        EXPECT_EQ(format_field(f, f.get(a)), format_field(f, f.get(b))) << f.name;
      }
    }
  }
}

TEST(HuggingFaceConfig, AStyleThatCannotExpressTheModelIsRefused) {
  ModelConfig model = parse(mamba()).model;
  model.norm = NormKind::Layer;
  expect_error(ErrorKind::Usage, {"model.norm", "state-spaces"},
               [&] { hugging_face_config_json(model, HuggingFaceStyle::Transformers, {}); });
  model.mamba1.norm_bcdt = true;
  expect_error(ErrorKind::Usage, {"norm_bcdt", "transformers"},
               [&] { hugging_face_config_json(model, HuggingFaceStyle::StateSpaces, {}); });
}

}  // namespace
}  // namespace krait
