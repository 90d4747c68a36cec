// The shape of a model.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/operations/norm.h"
#include "core/text_problem.h"
#include "layers/mixers/make_mixer.h"

namespace krait {

/// A residual stream through blocks of mixers, and what stands at its ends. Defaults are those of
/// the published Mamba models. In a configuration a vocab_size of 0 stands for that of the data.
struct ModelConfig {
  std::int64_t d_model = 768;
  std::int64_t n_layer = 0;  // 0: as many as `layers` names
  std::string layers = {};   // such as "mamba1 x24" or "mamba1 x5, s4d"; empty: n_layer of mamba1
  std::int64_t vocab_size = 0;
  std::int64_t pad_vocab_multiple = 8;  // the embedding has rows up to the next multiple
  Mamba1Config mamba1 = {};             // of all layers of the kind
  S4dConfig s4d = {};
  bool tie_embeddings = true;
  NormKind norm = NormKind::Rms;
  double norm_eps = 1e-5;
  bool rescale_prenorm_residual = true;  // out_proj starts 1/sqrt(n_layer) smaller
  double initializer_range = 0.02;       // standard deviation of the embedding
  double dropout = 0;                    // on each block's output
  DType dtype = DType::F32;              // of parameters, residual stream and states
  std::optional<DType> compute = {};     // of activations and matrix weights; default: dtype

  std::int64_t padded_vocab() const {
    return (vocab_size + pad_vocab_multiple - 1) / pad_vocab_multiple * pad_vocab_multiple;
  }
  /// Of each layer. Throws BadConfig for a pattern that parse_layers refuses.
  std::vector<MixerKind> kinds() const;
  std::int64_t layer_count() const { return static_cast<std::int64_t>(kinds().size()); }
  /// The options of a kind.
  MixerConfig mixer(MixerKind kind) const;
};

/// Blocks of a model.
inline constexpr std::int64_t kMaxLayers = 4096;

/// Reads "KIND", "KIND xN", or several of them in order with commas between: "mamba1 x5, s4d". A
/// group in parentheses can be repeated: "(mamba1 x5, s4d) x4". Gives nothing, and says why in
/// `problem`, for any other text, and for more than kMaxLayers layers.
std::optional<std::vector<MixerKind>> parse_layers(std::string_view text, TextProblem& problem);

}  // namespace krait
