#include "layers/mixers/mamba1.h"

#include <algorithm>
#include <cmath>

#include "autograd/operations/elementwise.h"
#include "autograd/operations/linear.h"
#include "autograd/operations/norm.h"
#include "autograd/operations/selective_scan.h"
#include "autograd/operations/view.h"
#include "layers/basic/initialise.h"

namespace krait {
namespace {

/// The bias whose softplus is log-uniform in [dt_min, dt_max], at least the floor.
Initialiser dt_bias_value(const MambaConfig& c) {
  return [c](const RandomStream& random, std::uint64_t i) {
    const double low = std::log(c.dt_min), high = std::log(c.dt_max);
    const double dt = std::max(std::exp(random.uniform(i) * (high - low) + low), c.dt_init_floor);
    return dt + std::log(-std::expm1(-dt));  // inverse of softplus
  };
}

/// S4D-real: A = -(1, 2, ..., n) for every channel.
Initialiser s4d_real_value(std::int64_t d_state) {
  return [n = static_cast<std::uint64_t>(d_state)](const RandomStream&, std::uint64_t i) {
    return std::log(static_cast<double>(i % n + 1));
  };
}

LinearConfig linear_config(const MambaConfig& c, std::int64_t inputs, std::int64_t outputs) {
  return {.inputs = inputs, .outputs = outputs, .dtype = c.dtype, .compute = c.compute};
}

LinearConfig in_proj_config(const MambaConfig& c) {
  LinearConfig config = linear_config(c, c.d_model, 2 * c.d_inner());
  config.bias = c.proj_bias;
  return config;
}

LinearConfig dt_proj_config(const MambaConfig& c) {
  LinearConfig config = linear_config(c, c.rank(), c.d_inner());
  config.bias = true;
  config.bias_value = dt_bias_value(c);
  return config;
}

LinearConfig out_proj_config(const MambaConfig& c) {
  LinearConfig config = linear_config(c, c.d_inner(), c.d_model);
  config.bias = c.proj_bias;
  const double layers = static_cast<double>(c.n_layer);
  config.weight_value =
      fan_in_value(c.d_inner(), c.rescale_prenorm_residual ? 1 / std::sqrt(layers) : 1);
  return config;
}

}  // namespace

MambaMixer::MambaMixer(const MambaConfig& c)
    : d_inner_(c.d_inner()),
      d_state_(c.d_state),
      rank_(c.rank()),
      norm_bcdt_(c.norm_bcdt),
      bcdt_eps_(c.bcdt_eps),
      in_proj_(in_proj_config(c)),
      conv1d_({.d = c.d_inner(), .width = c.d_conv, .bias = c.conv_bias, .dtype = c.dtype}),
      x_proj_(linear_config(c, c.d_inner(), c.rank() + 2 * c.d_state)),
      dt_proj_(dt_proj_config(c)),
      out_proj_(out_proj_config(c)) {
  add_child("in_proj", in_proj_);
  add_child("conv1d", conv1d_);
  add_child("x_proj", x_proj_);
  add_child("dt_proj", dt_proj_);
  A_log_ = add_parameter(
      {.name = "A_log", .weight_decay = false, .initialise = s4d_real_value(d_state_)},
      {d_inner_, d_state_}, c.dtype);
  D_ = add_parameter({.name = "D", .weight_decay = false, .initialise = constant_value(1)},
                     {d_inner_}, c.dtype);
  add_child("out_proj", out_proj_);
}

MambaMixer::Output MambaMixer::forward(const Variable& x, const MixerSequence& sequence) const {
  const std::int64_t batch = x.size(0), length = x.size(1);
  const auto xz = split(in_proj_.forward(x), 2, {d_inner_, d_inner_});  // (b, l, 2 d_inner)
  const auto conv = conv1d_.forward(
      xz[0],
      {.initial = sequence.initial.conv, .ids = sequence.ids, .want_final = sequence.want_final});
  auto dt_B_C = split(x_proj_.forward(conv.y), 2, {rank_, d_state_, d_state_});
  if (norm_bcdt_) {
    for (Variable& part : dt_B_C) part = unit_rms_norm(part, bcdt_eps_);
  }
  const Shape one_group{batch, length, 1, d_state_};
  const auto scan = selective_scan({.u = conv.y,
                                    .delta = linear(dt_B_C[0], dt_proj_.weight()),
                                    .A = neg(exp(A_log_)),
                                    .B = reshape(dt_B_C[1], one_group),
                                    .C = reshape(dt_B_C[2], one_group),
                                    .D = D_,
                                    .z = xz[1],
                                    .delta_bias = dt_proj_.bias(),
                                    .initial_state = sequence.initial.ssm,
                                    .sequence_ids = sequence.ids,
                                    .want_final_state = sequence.want_final});
  return {out_proj_.forward(scan.y), {conv.final_state, scan.final_state}};
}

MambaBlock::MambaBlock(const MambaConfig& c, std::uint32_t index)
    : norm_(c.norm, c.d_model, c.norm_eps, c.dtype, c.compute),
      mixer_(c),
      dropout_(c.dropout, index) {
  add_child("norm", norm_);
  add_child("mixer", mixer_);
}

MambaBlock::Output MambaBlock::forward(const Variable& hidden, const Variable& residual,
                                       const MixerSequence& sequence) const {
  const ResidualNorm normed = residual.defined() ? norm_.forward(hidden, residual)
                                                 : ResidualNorm{norm_.forward(hidden), hidden};
  const MambaMixer::Output mixed = mixer_.forward(normed.y, sequence);
  return {dropout_.forward(mixed.y), normed.residual, mixed.final};
}

}  // namespace krait
