#include "layers/models/block.h"

#include "layers/mixers/make_mixer.h"

namespace krait {
namespace {

LayerPlace place_in(const ModelConfig& c) {
  return {.d_model = c.d_model,
          .n_layer = c.layer_count(),
          .rescale_output = c.rescale_prenorm_residual,
          .dtype = c.dtype,
          .compute = c.compute};
}

}  // namespace

Block::Block(const ModelConfig& c, const MixerConfig& mixer, std::uint32_t index)
    : norm_(c.norm, c.d_model, c.norm_eps, c.dtype, c.compute),
      mixer_(make_mixer(mixer, place_in(c))),
      dropout_(c.dropout, index) {
  add_child("norm", norm_);
  add_child("mixer", *mixer_);
}

Block::Output Block::forward(const Variable& hidden, const Variable& residual,
                             const MixerSequence& sequence) const {
  const ResidualNorm normed = residual.defined() ? norm_.forward(hidden, residual)
                                                 : ResidualNorm{norm_.forward(hidden), hidden};
  const Mixer::Output mixed = mixer_->forward(normed.y, sequence);
  return {dropout_.forward(mixed.y), normed.residual, mixed.final};
}

}  // namespace krait
