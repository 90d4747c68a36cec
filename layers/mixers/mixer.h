// What mixes information along a sequence: the part of a block that differs between kinds of
// models.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "layers/module.h"

namespace krait {

/// What a mixer carries from one piece of a sequence to the next. Only the mixer knows the parts;
/// each of them has one row per sequence of the batch. Empty: the state before the first position.
struct MixerState {
  std::vector<Variable> parts;
  bool empty() const { return parts.empty(); }
};
/// Rows [begin, end) of each part.
MixerState rows(const MixerState& state, std::int64_t begin, std::int64_t end);

/// How the sequences of a batch continue: over pieces (states), and within a row (ids).
struct MixerSequence {
  MixerState initial;       // may be empty
  Tensor ids;               // (b, l) i32, optional: state is reset where the id changes
  bool want_final = false;  // give the state after the last position
};

/// What a mixer takes, for one sequence.
struct MixerCost {
  double flops = 0;              // of a forward pass per position; a product and its sum are two
  std::int64_t state_bytes = 0;  // of what it carries, which does not depend on the length
};

/// Where a mixer stands in a model, and what it shares with the rest of it.
struct LayerPlace {
  std::int64_t d_model = 0;
  std::int64_t n_layer = 1;           // of the whole model
  bool rescale_output = false;        // the output projection starts 1 / sqrt(n_layer) smaller
  DType dtype = DType::F32;           // of parameters, residual stream and states
  std::optional<DType> compute = {};  // of activations and matrix weights; default: dtype

  DType compute_dtype() const { return compute.value_or(dtype); }
};

class Mixer : public Module {
 public:
  virtual ~Mixer() = default;

  struct Output {
    Variable y;        // (b, l, d_model)
    MixerState final;  // when wanted
  };
  /// x (b, l, d_model), of the compute dtype. Whole, in pieces with carried state or token by
  /// token: one code path. The one virtual forward of the house, because the configuration chooses
  /// the mixer.
  virtual Output forward(const Variable& x, const MixerSequence& sequence) const = 0;
  /// The state before the first position, for so many sequences: zeros.
  virtual MixerState zero_state(std::int64_t sequences, Device device) const = 0;
  virtual MixerCost cost() const = 0;
};

}  // namespace krait
