// The Mamba block with a state space that does not depend on its input: S4D in the place of the
// selective scan. Beside Mamba-1 it shows what selection itself gains and costs.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "core/names.h"
#include "layers/basic/causal_conv1d.h"
#include "layers/basic/linear.h"
#include "layers/mixers/mixer.h"

namespace krait {

/// Where A starts. Source: Gu, Gupta, Goel & Ré 2022, arXiv:2206.11893, section 4.
enum class S4dInitial : std::uint8_t {
  Lin,   // complex: A_n = -1/2 + i pi n, for the d_state / 2 modes n = 0, 1, ...
  Real,  // real: A_n = -(n + 1), for the d_state modes
};
template <>
inline constexpr std::array<std::string_view, 2> kNames<S4dInitial>{"lin", "real"};

struct S4dConfig {
  std::int64_t d_state = 64;  // real numbers of a channel's state; even for a complex A
  std::int64_t expand = 2;
  std::int64_t d_conv = 4;
  S4dInitial initial = S4dInitial::Lin;
  double dt_min = 1e-3, dt_max = 0.1;
  bool conv_bias = true;
  bool proj_bias = false;

  std::int64_t modes() const { return initial == S4dInitial::Lin ? d_state / 2 : d_state; }
};

/// x, z = in_proj(x);  u = silu(conv1d(x));  y = out_proj(s4d(u, exp(log_dt), A, C, D) silu(z))
/// with A = -exp(log_A_real) + i A_imag. Parameters by the names of the published S4D, C in two
/// real arrays; log_dt, A and D are not decayed, and stay in `dtype` with C and the state.
///
/// Carries the last inputs of the convolution (b, d_conv - 1, d_inner) and the state of the modes
/// (b, d_inner, modes) or, complex, (b, d_inner, modes, 2).
class S4d final : public Mixer {
 public:
  S4d(const S4dConfig& config, const LayerPlace& place);
  Output forward(const Variable& x, const MixerSequence& sequence) const override;
  MixerState zero_state(std::int64_t sequences, Device device) const override;
  MixerCost cost() const override;

 private:
  bool is_complex() const { return config_.initial == S4dInitial::Lin; }

  S4dConfig config_;
  LayerPlace place_;
  std::int64_t d_inner_, modes_;
  Linear in_proj_;
  CausalConv1d conv1d_;
  Linear out_proj_;
  Variable log_dt_, log_A_real_, A_imag_, C_real_, C_imag_, D_;  // *_imag undefined for a real A
};

}  // namespace krait
