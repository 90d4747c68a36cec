#include "layers/models/language_model.h"

#include <string>

#include "autograd/operations/elementwise.h"
#include "autograd/operations/linear.h"
#include "autograd/operations/reduce.h"
#include "autograd/operations/view.h"
#include "autograd/recompute.h"
#include "core/stream/profile.h"

namespace krait {

MambaBackbone::MambaBackbone(const MambaConfig& c)
    : embedding_({c.padded_vocab(), c.d_model}, c.initializer_range, c.dtype, c.compute),
      norm_f_(c.norm, c.d_model, c.norm_eps, c.dtype, c.compute) {
  add_child("embedding", embedding_);
  for (std::int64_t i = 0; i < c.n_layer; ++i) {
    layers_.push_back(std::make_unique<MambaBlock>(c, static_cast<std::uint32_t>(i)));
    add_child("layers." + std::to_string(i), *layers_.back());
  }
  add_child("norm_f", norm_f_);
}

MambaBlock::Output MambaBackbone::run_block(const MambaBlock& block, const MambaBlock::Output& in,
                                            const MixerSequence& sequence, bool recomputed) const {
  if (!recomputed) return block.forward(in.hidden, in.residual, sequence);
  const auto run = [&block, sequence](std::span<const Variable> x) -> std::vector<Variable> {
    MixerSequence s = sequence;
    s.initial = {x[2], x[3]};
    const MambaBlock::Output out = block.forward(x[0], x[1], s);
    return {out.hidden, out.residual, out.final.conv, out.final.ssm};
  };
  const auto out =
      recompute(run, {in.hidden, in.residual, sequence.initial.conv, sequence.initial.ssm},
                block.variables());
  return {out[0], out[1], {out[2], out[3]}};
}

MambaHidden MambaBackbone::forward(const Tensor& ids, const MambaRun& run) const {
  KRAIT_REQUIRE(run.initial == nullptr || run.initial->size() == layers_.size(),
                "[MambaBackbone] the initial state must have ", layers_.size(), " layers, got ",
                run.initial == nullptr ? 0 : run.initial->size(), ".");
  MambaHidden out;
  MambaBlock::Output x{embedding_.forward(ids), {}, {}};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    MixerSequence sequence{.ids = run.sequence_ids, .want_final = run.want_final};
    if (run.initial != nullptr) sequence.initial = (*run.initial)[i];
    const ProfileRange range("layer " + std::to_string(i));
    x = run_block(*layers_[i], x, sequence, run.recompute);
    if (run.want_final) out.final.push_back(x.final);
  }
  out.hidden =
      layers_.empty() ? norm_f_.forward(x.hidden) : norm_f_.forward(x.hidden, x.residual).y;
  return out;
}

MambaLM::MambaLM(const MambaConfig& c) : config_(c), backbone_(c) {
  add_child("backbone", backbone_);
  if (!c.tie_embeddings) {
    lm_head_ = std::make_unique<Linear>(LinearConfig{
        .inputs = c.d_model, .outputs = c.padded_vocab(), .dtype = c.dtype, .compute = c.compute});
    add_child("lm_head", *lm_head_);
  }
}

const Variable& MambaLM::head() const {
  return lm_head_ ? lm_head_->weight() : backbone_.embedding().weight();
}

Variable MambaLM::logits(const Variable& hidden) const {
  return linear(hidden, head());
}

Variable MambaLM::losses(const Variable& hidden, const Tensor& targets,
                         const CrossEntropyOptions& options) const {
  return linear_cross_entropy(reshape(hidden, {hidden.shape().rows(), hidden.size(-1)}), head(),
                              targets.reshape({targets.numel()}), options);
}

MambaClassifier::MambaClassifier(const MambaConfig& c, std::int64_t classes)
    : backbone_(c),
      head_({.inputs = c.d_model, .outputs = classes, .dtype = c.dtype, .compute = c.compute}) {
  add_child("backbone", backbone_);
  add_child("head", head_);
}

Variable MambaClassifier::pooled(const Tensor& ids, const Tensor& mask, const MambaRun& run) const {
  const Variable hidden = backbone_.forward(ids, run).hidden;  // (b, l, d)
  const std::int64_t batch = hidden.size(0), d = hidden.size(2);
  const Variable weight(mask.reshape({batch, hidden.size(1), 1}));
  const Variable total = sum_to(cast(hidden, mask.dtype()) * weight, {batch, 1, d});
  const Variable mean = total / sum_to(weight, {batch, 1, 1});
  return cast(reshape(mean, {batch, d}), hidden.dtype());
}

Variable MambaClassifier::losses(const Variable& pooled, const Tensor& labels,
                                 const CrossEntropyOptions& options) const {
  return linear_cross_entropy(pooled, head_.weight(), labels, options);
}

}  // namespace krait
