// config.json of published Mamba models, to and from Krait's model fields.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/names.h"
#include "train/config/config.h"

namespace krait {

/// The two forms that Mamba-1 models are published in: that of transformers (MambaForCausalLM,
/// FalconMambaForCausalLM; "model_type" says which) and that of the official implementation
/// (state-spaces; "d_model", "ssm_cfg").
enum class HuggingFaceStyle : std::uint8_t { Transformers, StateSpaces };
template <>
inline constexpr std::array<std::string_view, 2> kNames<HuggingFaceStyle>{"transformers",
                                                                          "state-spaces"};

struct HuggingFaceConfig {
  HuggingFaceStyle style = HuggingFaceStyle::Transformers;
  /// vocab_size is that of config.json; the embedding may have more rows, up to a multiple of
  /// pad_vocab_multiple.
  ModelConfig model;
  std::string
      dtype;  // of the saved weights: "float32", "bfloat16", ...; empty where it is not said
};

/// Reads the text of a config.json. Absent fields have the defaults of the original; fields that
/// change nothing of what the model computes (caches, initialisation, generation) are passed over.
///
/// Throws BadData, naming `where` and the field, when the text is no JSON object, the model is of
/// another architecture (Mamba-2, hybrids with attention), or a field has a value out of range or
/// one that Krait's model has no counterpart for (hidden_act other than silu, say).
HuggingFaceConfig parse_hugging_face_config(std::string_view text, const std::string& where);

/// What a config.json says beyond the model's fields.
struct HuggingFaceConfigExtras {
  std::string dtype = "float32";
  std::optional<std::int32_t> bos, eos;  // token ids
};
/// The config.json of a model whose fields, vocab_size included, are `model`. Throws Usage when the
/// style cannot express it: LayerNorm in transformers, normalised B, C, dt or another norm_eps in
/// state-spaces.
std::string hugging_face_config_json(const ModelConfig& model, HuggingFaceStyle style,
                                     const HuggingFaceConfigExtras& extras);

}  // namespace krait
