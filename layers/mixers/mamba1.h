// The Mamba-1 block: pre-norm, then the selective state-space mixer.
#pragma once
#include "layers/basic/causal_conv1d.h"
#include "layers/basic/dropout.h"
#include "layers/basic/linear.h"
#include "layers/basic/norm.h"
#include "layers/mixers/config.h"

namespace krait {

/// What a mixer carries from one piece of a sequence to the next.
struct MixerState {
  Variable conv;  // (b, d_conv - 1, d_inner): the last inputs of the convolution
  Variable ssm;   // (b, d_inner, d_state)
};

/// How the sequences of a batch continue: over pieces (states), and within a row (ids).
struct MixerSequence {
  MixerState initial;       // optional
  Tensor ids;               // (b, l) i32, optional: state is reset where the id changes
  bool want_final = false;  // give the state after the last position
};

/// x, z = in_proj(x);  u = silu(conv1d(x));  dt, B, C = x_proj(u);  delta = dt_proj(dt)
/// y = out_proj(selective_scan(u, delta, -exp(A_log), B, C, D, z))
/// Figure 3 and section 3.6 of the paper; with norm_bcdt, dt, B and C are normalised each before
/// they are used. dt_proj's bias goes into the scan as delta_bias. All
/// activations are of the compute dtype; A_log, D, the bias and the scan's state of `dtype`.
class MambaMixer : public Module {
 public:
  explicit MambaMixer(const MambaConfig& config);
  struct Output {
    Variable y;        // (b, l, d_model)
    MixerState final;  // when wanted
  };
  /// x (b, l, d_model). Token by token with carried state, in chunks or whole: one code path.
  Output forward(const Variable& x, const MixerSequence& sequence) const;

 private:
  std::int64_t d_inner_, d_state_, rank_;
  bool norm_bcdt_;
  double bcdt_eps_;
  Linear in_proj_;
  CausalConv1d conv1d_;
  Linear x_proj_;
  Linear dt_proj_;
  Linear out_proj_;
  Variable A_log_, D_;
};

/// One layer on the residual stream: residual += hidden;  hidden = mixer(norm(residual)).
class MambaBlock : public Module {
 public:
  /// `index` is the layer's number, which keys its dropout.
  MambaBlock(const MambaConfig& config, std::uint32_t index);
  struct Output {
    Variable hidden, residual;  // (b, l, d_model)
    MixerState final;
  };
  /// `residual` is undefined in the first layer.
  Output forward(const Variable& hidden, const Variable& residual,
                 const MixerSequence& sequence) const;

 private:
  Norm norm_;
  MambaMixer mixer_;
  Dropout dropout_;
};

}  // namespace krait
