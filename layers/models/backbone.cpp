#include "layers/models/backbone.h"

#include <string>

#include "autograd/recompute.h"
#include "core/error.h"
#include "core/stream/profile.h"

namespace krait {

Backbone::Backbone(const ModelConfig& c)
    : embedding_({c.padded_vocab(), c.d_model}, c.initializer_range, c.dtype, c.compute),
      norm_f_(c.norm, c.d_model, c.norm_eps, c.dtype, c.compute) {
  add_child("embedding", embedding_);
  for (const MixerKind kind : c.kinds()) {
    const std::size_t i = layers_.size();
    layers_.push_back(std::make_unique<Block>(c, c.mixer(kind), static_cast<std::uint32_t>(i)));
    add_child("layers." + std::to_string(i), *layers_.back());
  }
  add_child("norm_f", norm_f_);
}

/// A recomputed block passes the parts of its states as plain inputs and outputs.
Block::Output Backbone::run_block(const Block& block, const Block::Output& in,
                                  const MixerSequence& sequence, bool recomputed) const {
  if (!recomputed) return block.forward(in.hidden, in.residual, sequence);
  const auto run = [&block, sequence](std::span<const Variable> x) -> std::vector<Variable> {
    MixerSequence s = sequence;
    s.initial.parts.assign(x.begin() + 2, x.end());
    const Block::Output out = block.forward(x[0], x[1], s);
    std::vector<Variable> values{out.hidden, out.residual};
    values.insert(values.end(), out.final.parts.begin(), out.final.parts.end());
    return values;
  };
  std::vector<Variable> inputs{in.hidden, in.residual};
  inputs.insert(inputs.end(), sequence.initial.parts.begin(), sequence.initial.parts.end());
  const auto out = recompute(run, std::move(inputs), block.variables());
  return {out[0], out[1], {{out.begin() + 2, out.end()}}};
}

ModelHidden Backbone::forward(const Tensor& ids, const ModelRun& run) const {
  const bool starts = run.initial == nullptr || run.initial->empty();
  KRAIT_REQUIRE(starts || run.initial->size() == layers_.size(),
                "[Backbone] the initial state must have ", layers_.size(), " layers, got ",
                starts ? 0 : run.initial->size(), ".");
  ModelHidden out;
  Block::Output x{embedding_.forward(ids), {}, {}};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    MixerSequence sequence{.ids = run.sequence_ids, .want_final = run.want_final};
    if (!starts) sequence.initial = (*run.initial)[i];
    const ProfileRange range("layer " + std::to_string(i));
    x = run_block(*layers_[i], x, sequence, run.recompute);
    if (run.want_final) out.final.push_back(x.final);
  }
  out.hidden =
      layers_.empty() ? norm_f_.forward(x.hidden) : norm_f_.forward(x.hidden, x.residual).y;
  return out;
}

ModelState Backbone::zero_state(std::int64_t sequences, Device device) const {
  ModelState state;
  for (const auto& layer : layers_) state.push_back(layer->mixer().zero_state(sequences, device));
  return state;
}

}  // namespace krait
