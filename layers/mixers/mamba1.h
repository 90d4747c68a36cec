// The mixer of Mamba-1: a selective state space behind a short convolution, gated.
#pragma once
#include "layers/basic/causal_conv1d.h"
#include "layers/basic/linear.h"
#include "layers/mixers/mixer.h"

namespace krait {

/// Its shape and initialisation. Defaults are the published ones (Gu & Dao 2023, arXiv:2312.00752;
/// official config.json).
struct Mamba1Config {
  std::int64_t d_state = 16;
  std::int64_t expand = 2;
  std::int64_t d_conv = 4;
  std::int64_t dt_rank = 0;  // 0: ceil(d_model / 16)
  double dt_min = 1e-3, dt_max = 0.1, dt_init_floor = 1e-4;
  bool conv_bias = true;   // of the convolution
  bool proj_bias = false;  // of in_proj and out_proj
  bool norm_bcdt = false;  // B, C and dt go through an RMSNorm without weight: FalconMamba
  double bcdt_eps = 1e-6;  // (arXiv:2410.05355), and its epsilon

  std::int64_t d_inner(std::int64_t d_model) const { return expand * d_model; }
  std::int64_t rank(std::int64_t d_model) const {
    return dt_rank > 0 ? dt_rank : (d_model + 15) / 16;
  }
};

/// x, z = in_proj(x);  u = silu(conv1d(x));  dt, B, C = x_proj(u);  delta = dt_proj(dt)
/// y = out_proj(selective_scan(u, delta, -exp(A_log), B, C, D, z))
/// Figure 3 and section 3.6 of the paper; with norm_bcdt, dt, B and C are normalised each before
/// they are used. dt_proj's bias goes into the scan as delta_bias. All activations are of the
/// compute dtype; A_log, D, the bias and the scan's state of `dtype`.
///
/// Carries the last inputs of the convolution (b, d_conv - 1, d_inner) and the state of the scan
/// (b, d_inner, d_state).
class Mamba1 final : public Mixer {
 public:
  Mamba1(const Mamba1Config& config, const LayerPlace& place);
  Output forward(const Variable& x, const MixerSequence& sequence) const override;
  MixerState zero_state(std::int64_t sequences, Device device) const override;
  MixerCost cost() const override;

 private:
  Mamba1Config config_;
  LayerPlace place_;
  std::int64_t d_inner_, d_state_, rank_;
  Linear in_proj_;
  CausalConv1d conv1d_;
  Linear x_proj_;
  Linear dt_proj_;
  Linear out_proj_;
  Variable A_log_, D_;
};

}  // namespace krait
