#include "train/model/hugging_face/config.h"

#include <span>
#include <variant>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/files/strict_json.h"
#include "train/config/schema.h"

namespace krait {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kMamba2 =
    "says Mamba-2; Krait runs Mamba-1 models only (mamba, falcon_mamba)";

constexpr double kOfficialEps = 1e-5;  // MixerModel's default, which no config.json changes

/// A member of config.json, the field of Krait's configuration that it is, and the original's
/// default.
struct Binding {
  const char* key;
  const char* field;
  FieldValue absent;
};
using Bindings = std::span<const Binding>;

std::int64_t whole(std::int64_t value) {
  return value;
}

Bindings transformers_bindings() {
  static const std::array<Binding, 14> bindings{{
      {"vocab_size", "model.vocab_size", whole(50280)},
      {"hidden_size", "model.d_model", whole(768)},
      {"num_hidden_layers", "model.n_layer", whole(32)},
      {"state_size", "model.d_state", whole(16)},
      {"conv_kernel", "model.d_conv", whole(4)},
      {"layer_norm_epsilon", "model.norm_eps", 1e-5},
      {"tie_word_embeddings", "model.tie_embeddings", true},
      {"use_conv_bias", "model.conv_bias", true},
      {"use_bias", "model.proj_bias", false},
      {"initializer_range", "model.initializer_range", 0.1},
      {"rescale_prenorm_residual", "model.rescale_prenorm_residual", false},
      {"time_step_min", "model.dt_min", 1e-3},
      {"time_step_max", "model.dt_max", 0.1},
      {"time_step_floor", "model.dt_init_floor", 1e-4},
  }};
  return bindings;
}

/// Members at the top, and those of ssm_cfg.
Bindings state_spaces_bindings() {
  static const std::array<Binding, 5> bindings{{
      {"vocab_size", "model.vocab_size", whole(50277)},
      {"d_model", "model.d_model", whole(2560)},
      {"n_layer", "model.n_layer", whole(64)},
      {"pad_vocab_size_multiple", "model.pad_vocab_multiple", whole(8)},
      {"tie_embeddings", "model.tie_embeddings", true},
  }};
  return bindings;
}
Bindings ssm_bindings() {
  static const std::array<Binding, 8> bindings{{
      {"d_state", "model.d_state", whole(16)},
      {"d_conv", "model.d_conv", whole(4)},
      {"expand", "model.expand", whole(2)},
      {"conv_bias", "model.conv_bias", true},
      {"bias", "model.proj_bias", false},
      {"dt_min", "model.dt_min", 1e-3},
      {"dt_max", "model.dt_max", 0.1},
      {"dt_init_floor", "model.dt_init_floor", 1e-4},
  }};
  return bindings;
}

/// One object of a config.json.
class Members {
 public:
  Members(const json& object, const std::string& where) : object_(object), where_(where) {}

  [[noreturn]] void bad(const std::string& key, const std::string& what) const {
    throw Error(ErrorKind::BadData, str(where_, ": ", key, " ", what, "."));
  }
  [[noreturn]] void unsupported(const std::string& key, const std::string& supported) const {
    std::string value = object_.at(key).dump(-1, ' ', true);
    if (value.size() > kShown) value = value.substr(0, kShown) + "...";
    bad(key, str("is ", value, "; Krait runs models with ", supported, " only"));
  }

  bool has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }
  const json& operator[](const char* key) const { return object_.at(key); }
  const json& object() const { return object_; }

  void read(Bindings bindings, Config& config) const {
    for (const Binding& b : bindings) set(b.key, *find_field(b.field), b.absent, config);
  }
  void set(const char* key, const Field& field, const FieldValue& absent, Config& config) const {
    field.set(config, has(key) ? value(key, field) : absent);
  }

  bool boolean(const char* key, bool absent) const {
    if (!has(key)) return absent;
    if (!object_[key].is_boolean()) bad(key, "must be true or false");
    return object_[key].get<bool>();
  }
  std::string text(const char* key) const {
    if (!has(key)) return {};
    if (!object_[key].is_string()) bad(key, "must be a text");
    return object_[key].get<std::string>();
  }

 private:
  static constexpr std::size_t kShown = 60;

  FieldValue value(const char* key, const Field& field) const {
    const json& v = object_[key];
    switch (field.type) {
      case FieldType::Boolean:
        return boolean(key, false);
      case FieldType::Integer:
        if (!v.is_number_integer()) bad(key, "must be an integer");
        if (v.is_number_unsigned() && v.get<std::uint64_t>() > INT64_MAX) bad(key, "is too large");
        check_range(key, field, static_cast<double>(v.get<std::int64_t>()));
        return v.get<std::int64_t>();
      case FieldType::Number:
        if (!v.is_number()) bad(key, "must be a number");
        check_range(key, field, v.get<double>());
        return v.get<double>();
      default:
        KRAIT_REQUIRE(false, "[Members] ", field.name, " is bound to a member.");
    }
  }
  void check_range(const char* key, const Field& field, double number) const {
    if (!field.range.contains(number)) {
      bad(key, str("must be ", field.range.describe(), ", got ", number));
    }
  }

  const json& object_;
  const std::string& where_;
};

/// "auto" or a number.
void read_rank(const Members& m, const char* key, Config& config) {
  if (m.has(key) && m[key] == "auto") return;
  m.set(key, *find_field("model.dt_rank"), whole(0), config);
}

/// intermediate_size, where it is given, counts more than expand, as in transformers.
void read_inner_width(const Members& m, Config& config) {
  MambaConfig& model = config.model;
  m.set("expand", *find_field("model.expand"), whole(2), config);
  if (!m.has("intermediate_size")) return;
  const json& v = m["intermediate_size"];
  if (!v.is_number_unsigned()) m.bad("intermediate_size", "must be a positive integer");
  const auto inner = v.get<std::uint64_t>(), width = static_cast<std::uint64_t>(model.d_model);
  if (inner == 0 || inner % width != 0 || inner / width > 64) {
    m.unsupported("intermediate_size",
                  str("1 to 64 times the hidden_size (", model.d_model, ") there"));
  }
  model.expand = static_cast<std::int64_t>(inner / width);
}

void read_transformers(const Members& m, HuggingFaceConfig& result) {
  const std::string type = m.text("model_type");
  if (type == "mamba2") m.bad("model_type", kMamba2);
  if (type != "mamba" && type != "falcon_mamba") {
    m.unsupported("model_type", "mamba and falcon_mamba there");
  }
  if (m.has("hidden_act") && m["hidden_act"] != "silu" && m["hidden_act"] != "swish") {
    m.unsupported("hidden_act", "silu there");
  }
  if (m.has("quantization_config")) {
    m.bad("quantization_config", "is set: the weights are quantised, which Krait does not read");
  }
  Config config;
  m.read(transformers_bindings(), config);
  read_inner_width(m, config);
  read_rank(m, "time_step_rank", config);
  m.set("pad_vocab_size_multiple", *find_field("model.pad_vocab_multiple"), whole(1), config);
  if (type == "falcon_mamba") {
    config.model.norm_bcdt = true;
    m.set("mixer_rms_eps", *find_field("model.bcdt_eps"), 1e-6, config);
  }
  result.model = config.model;
  result.dtype = m.text(m.has("dtype") ? "dtype" : "torch_dtype");
}

void read_ssm(const json& object, const std::string& where, Config& config) {
  const Members ssm(object, where);
  if (ssm.has("layer") && ssm["layer"] == "Mamba2") ssm.bad("layer", kMamba2);
  if (ssm.has("layer") && ssm["layer"] != "Mamba1") ssm.unsupported("layer", "Mamba1 there");
  static const std::array<std::string_view, 5> passed_over{"layer", "dt_rank", "dt_init",
                                                           "dt_scale", "use_fast_path"};
  for (const auto& [key, value] : object.items()) {
    bool known = false;
    for (const Binding& b : ssm_bindings()) known = known || key == b.key;
    for (const std::string_view name : passed_over) known = known || key == name;
    if (!known) ssm.bad(key, "is an option that Krait's model does not have");
  }
  ssm.read(ssm_bindings(), config);
  read_rank(ssm, "dt_rank", config);
}

void read_state_spaces(const Members& m, const std::string& where, HuggingFaceConfig& result) {
  if (m.has("d_intermediate") && m["d_intermediate"] != 0) {
    m.unsupported("d_intermediate", "0 (blocks without MLP) there");
  }
  if (m.has("attn_layer_idx") && !m["attn_layer_idx"].empty()) {
    m.unsupported("attn_layer_idx", "no attention layers there");
  }
  Config config;
  m.read(state_spaces_bindings(), config);
  const json none = json::object();
  if (m.has("ssm_cfg") && !m["ssm_cfg"].is_object()) m.bad("ssm_cfg", "must be an object");
  read_ssm(m.has("ssm_cfg") ? m["ssm_cfg"] : none, where + ": ssm_cfg", config);
  config.model.norm = m.boolean("rms_norm", true) ? NormKind::Rms : NormKind::Layer;
  config.model.norm_eps = kOfficialEps;
  result.style = HuggingFaceStyle::StateSpaces;
  result.model = config.model;
}

/// What holds between fields.
void check(const MambaConfig& model, const std::string& where) {
  constexpr std::int64_t kMaxInner = std::int64_t{1} << 24;
  KRAIT_CHECK(BadData, model.vocab_size > 0, where, ": vocab_size must be positive.");
  KRAIT_CHECK(BadData, model.d_model <= kMaxInner / model.expand, where, ": expand * width is ",
              model.expand, " * ", model.d_model, ", more than 2^24.");
  KRAIT_CHECK(BadData, model.dt_min <= model.dt_max, where,
              ": the largest initial time step is below the smallest.");
}

void write(Bindings bindings, const Config& config, ordered_json& object) {
  for (const Binding& b : bindings) {
    std::visit([&](const auto& value) { object[b.key] = value; }, find_field(b.field)->get(config));
  }
}

ordered_json rank_json(const MambaConfig& model) {
  return model.dt_rank > 0 ? ordered_json(model.dt_rank) : ordered_json("auto");
}

ordered_json transformers_json(const Config& config, const HuggingFaceConfigExtras& extras) {
  const MambaConfig& model = config.model;
  KRAIT_CHECK(Usage, model.norm == NormKind::Rms,
              "transformers' Mamba has RMSNorm, but model.norm is layer; set `style` to "
              "state-spaces.");
  const bool falcon = model.norm_bcdt;
  ordered_json object{{"architectures", {falcon ? "FalconMambaForCausalLM" : "MambaForCausalLM"}},
                      {"model_type", falcon ? "falcon_mamba" : "mamba"}};
  write(transformers_bindings(), config, object);
  object["expand"] = model.expand;
  object["intermediate_size"] = model.expand * model.d_model;
  const std::int64_t auto_rank = (model.d_model + 15) / 16;
  object["time_step_rank"] = model.dt_rank > 0 ? model.dt_rank : auto_rank;
  if (falcon) object["mixer_rms_eps"] = model.bcdt_eps;
  object["hidden_act"] = "silu";
  object["residual_in_fp32"] = true;
  object["use_cache"] = true;
  object["torch_dtype"] = extras.dtype;
  object["bos_token_id"] = extras.bos ? ordered_json(*extras.bos) : ordered_json(nullptr);
  object["eos_token_id"] = extras.eos ? ordered_json(*extras.eos) : ordered_json(nullptr);
  object["pad_token_id"] = object["eos_token_id"];
  return object;
}

ordered_json state_spaces_json(const Config& config) {
  const MambaConfig& model = config.model;
  KRAIT_CHECK(Usage, !model.norm_bcdt,
              "the official Mamba does not normalise B, C and dt (model.norm_bcdt); set `style` to "
              "transformers, which writes a FalconMamba.");
  KRAIT_CHECK(Usage, model.norm_eps == kOfficialEps, "the official Mamba has norm_eps ",
              kOfficialEps, ", this model ", model.norm_eps, "; set `style` to transformers.");
  ordered_json object = ordered_json::object(), ssm{{"layer", "Mamba1"}};
  write(state_spaces_bindings(), config, object);
  write(ssm_bindings(), config, ssm);
  ssm["dt_rank"] = rank_json(model);
  object["ssm_cfg"] = ssm;
  object["rms_norm"] = model.norm == NormKind::Rms;
  object["residual_in_fp32"] = true;
  object["fused_add_norm"] = true;
  return object;
}

}  // namespace

HuggingFaceConfig parse_hugging_face_config(std::string_view text, const std::string& where) {
  const json object = parse_strict_json(text, where);
  const Members members(object, where);
  HuggingFaceConfig result;
  if (members.has("model_type")) {
    read_transformers(members, result);
  } else {
    KRAIT_CHECK(BadData, members.has("d_model") && members.has("n_layer"), where,
                " has neither model_type (transformers) nor d_model and n_layer (state-spaces); "
                "it is not the configuration of a Mamba model.");
    read_state_spaces(members, where, result);
  }
  check(result.model, where);
  return result;
}

std::string hugging_face_config_json(const MambaConfig& model, HuggingFaceStyle style,
                                     const HuggingFaceConfigExtras& extras) {
  Config config;
  config.model = model;
  return (style == HuggingFaceStyle::Transformers ? transformers_json(config, extras)
                                                  : state_spaces_json(config))
             .dump(2) +
         "\n";
}

}  // namespace krait
