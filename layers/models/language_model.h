// The Mamba language model and the classifier on the same backbone.
#pragma once
#include <memory>
#include <vector>

#include "autograd/operations/linear_cross_entropy.h"
#include "layers/basic/embedding.h"
#include "layers/mixers/mamba1.h"

namespace krait {

/// The state of all layers after some prefix: constant in its length.
using MambaState = std::vector<MixerState>;

/// How a batch is to be run.
struct MambaRun {
  const MambaState* initial = nullptr;  // state before the first position, optional
  Tensor sequence_ids;                  // (b, l) i32, optional: packed documents
  bool want_final = false;
  bool recompute = false;  // keep only each block's inputs for backward
};

struct MambaHidden {
  Variable hidden;   // (b, l, d_model), after the final norm
  MambaState final;  // when wanted
};

/// Embedding, n_layer blocks and the final norm. Ids, states and everything else that goes in lies
/// on the device of the parameters.
class MambaBackbone : public Module {
 public:
  explicit MambaBackbone(const MambaConfig& config);
  /// ids (b, l) i32 in [0, padded vocabulary).
  MambaHidden forward(const Tensor& ids, const MambaRun& run) const;
  const Embedding& embedding() const { return embedding_; }

 private:
  MambaBlock::Output run_block(const MambaBlock& block, const MambaBlock::Output& in,
                               const MixerSequence& sequence, bool recompute) const;

  Embedding embedding_;
  std::vector<std::unique_ptr<MambaBlock>> layers_;
  Norm norm_f_;
};

/// Language model: the backbone and a head, tied to the embedding unless the config unties it.
class MambaLM : public Module {
 public:
  explicit MambaLM(const MambaConfig& config);
  const MambaConfig& config() const { return config_; }

  MambaHidden forward(const Tensor& ids, const MambaRun& run = {}) const {
    return backbone_.forward(ids, run);
  }
  /// (..., d_model) to (..., padded vocabulary).
  Variable logits(const Variable& hidden) const;
  /// Cross-entropy per position (b * l); the logits are never held whole.
  Variable losses(const Variable& hidden, const Tensor& targets,
                  const CrossEntropyOptions& options = {}) const;
  /// The head's weight (padded vocabulary, d_model).
  const Variable& head() const;
  /// Where the parameters lie, and so where it computes.
  Device device() const { return head().device(); }

 private:
  MambaConfig config_;
  MambaBackbone backbone_;
  std::unique_ptr<Linear> lm_head_;  // null when tied
};

/// Sequence classification: the mean of the backbone's outputs over the positions that count, then
/// a linear head without bias.
class MambaClassifier : public Module {
 public:
  MambaClassifier(const MambaConfig& config, std::int64_t classes);
  /// ids (b, l) i32; mask (b, l) of the model's dtype, 1 where a position counts and 0 elsewhere.
  /// Every row needs a position that counts. Gives the pooled vectors (b, d_model).
  Variable pooled(const Tensor& ids, const Tensor& mask, const MambaRun& run = {}) const;
  /// (b, d_model) to (b, classes).
  Variable logits(const Variable& pooled) const { return head_.forward(pooled); }
  /// Cross-entropy per row (b); labels (b) i32.
  Variable losses(const Variable& pooled, const Tensor& labels,
                  const CrossEntropyOptions& options = {}) const;

 private:
  MambaBackbone backbone_;
  Linear head_;
};

}  // namespace krait
