// Embedding, blocks and the final norm: what language models and classifiers share.
#pragma once
#include <memory>
#include <vector>

#include "layers/basic/embedding.h"
#include "layers/models/block.h"

namespace krait {

/// The state of all layers after some prefix. Empty: before the first position.
using ModelState = std::vector<MixerState>;

/// How a batch is to be run.
struct ModelRun {
  const ModelState* initial = nullptr;  // state before the first position, optional
  Tensor sequence_ids;                  // (b, l) i32, optional: packed documents
  bool want_final = false;
  bool recompute = false;  // keep only each block's inputs for backward
};

struct ModelHidden {
  Variable hidden;   // (b, l, d_model), after the final norm
  ModelState final;  // when wanted
};

/// Ids, states and everything else that goes in lies on the device of the parameters.
class Backbone : public Module {
 public:
  explicit Backbone(const ModelConfig& config);
  /// ids (b, l) i32 in [0, padded vocabulary).
  ModelHidden forward(const Tensor& ids, const ModelRun& run) const;
  /// The state before the first position, for so many sequences.
  ModelState zero_state(std::int64_t sequences, Device device) const;
  const Embedding& embedding() const { return embedding_; }

 private:
  Block::Output run_block(const Block& block, const Block::Output& in,
                          const MixerSequence& sequence, bool recompute) const;

  Embedding embedding_;
  std::vector<std::unique_ptr<Block>> layers_;
  Norm norm_f_;
};

}  // namespace krait
