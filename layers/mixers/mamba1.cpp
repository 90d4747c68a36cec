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
Initialiser dt_bias_value(const Mamba1Config& c) {
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

LinearConfig linear_config(const LayerPlace& place, std::int64_t inputs, std::int64_t outputs) {
  return {.inputs = inputs, .outputs = outputs, .dtype = place.dtype, .compute = place.compute};
}

LinearConfig in_proj_config(const Mamba1Config& c, const LayerPlace& place) {
  LinearConfig config = linear_config(place, place.d_model, 2 * c.d_inner(place.d_model));
  config.bias = c.proj_bias;
  return config;
}

LinearConfig dt_proj_config(const Mamba1Config& c, const LayerPlace& place) {
  LinearConfig config = linear_config(place, c.rank(place.d_model), c.d_inner(place.d_model));
  config.bias = true;
  config.bias_value = dt_bias_value(c);
  return config;
}

LinearConfig out_proj_config(const Mamba1Config& c, const LayerPlace& place) {
  const std::int64_t inner = c.d_inner(place.d_model);
  LinearConfig config = linear_config(place, inner, place.d_model);
  config.bias = c.proj_bias;
  const double layers = static_cast<double>(place.n_layer);
  config.weight_value = fan_in_value(inner, place.rescale_output ? 1 / std::sqrt(layers) : 1);
  return config;
}

}  // namespace

Mamba1::Mamba1(const Mamba1Config& c, const LayerPlace& place)
    : config_(c),
      place_(place),
      d_inner_(c.d_inner(place.d_model)),
      d_state_(c.d_state),
      rank_(c.rank(place.d_model)),
      in_proj_(in_proj_config(c, place)),
      conv1d_({.d = d_inner_, .width = c.d_conv, .bias = c.conv_bias, .dtype = place.dtype}),
      x_proj_(linear_config(place, d_inner_, rank_ + 2 * d_state_)),
      dt_proj_(dt_proj_config(c, place)),
      out_proj_(out_proj_config(c, place)) {
  add_child("in_proj", in_proj_);
  add_child("conv1d", conv1d_);
  add_child("x_proj", x_proj_);
  add_child("dt_proj", dt_proj_);
  A_log_ = add_parameter(
      {.name = "A_log", .weight_decay = false, .initialise = s4d_real_value(d_state_)},
      {d_inner_, d_state_}, place.dtype);
  D_ = add_parameter({.name = "D", .weight_decay = false, .initialise = constant_value(1)},
                     {d_inner_}, place.dtype);
  add_child("out_proj", out_proj_);
}

MixerState Mamba1::zero_state(std::int64_t sequences, Device device) const {
  const Tensor conv =
      Tensor::zeros({sequences, config_.d_conv - 1, d_inner_}, place_.compute_dtype(), device);
  const Tensor ssm = Tensor::zeros({sequences, d_inner_, d_state_}, place_.dtype, device);
  return {{Variable(conv), Variable(ssm)}};
}

MixerCost Mamba1::cost() const {
  const std::int64_t in = place_.d_model * 2 * d_inner_, x = d_inner_ * (rank_ + 2 * d_state_),
                     dt = rank_ * d_inner_, out = d_inner_ * place_.d_model;
  const std::int64_t conv = d_inner_ * config_.d_conv;
  const std::int64_t scan = 4 * d_inner_ * d_state_;  // decay, input, update and output of a state
  const std::int64_t state = (config_.d_conv - 1) * d_inner_;
  return {.flops = 2.0 * static_cast<double>(in + x + dt + out + conv + scan),
          .state_bytes = state * static_cast<std::int64_t>(size_of(place_.compute_dtype())) +
                         d_inner_ * d_state_ * static_cast<std::int64_t>(size_of(place_.dtype))};
}

Mixer::Output Mamba1::forward(const Variable& x, const MixerSequence& sequence) const {
  const std::int64_t batch = x.size(0), length = x.size(1);
  const auto& before = sequence.initial.parts;
  const Variable conv_before = before.empty() ? Variable() : before.at(0);
  const Variable ssm_before = before.empty() ? Variable() : before.at(1);
  const auto xz = split(in_proj_.forward(x), 2, {d_inner_, d_inner_});  // (b, l, 2 d_inner)
  const auto conv = conv1d_.forward(
      xz[0], {.initial = conv_before, .ids = sequence.ids, .want_final = sequence.want_final});
  auto dt_B_C = split(x_proj_.forward(conv.y), 2, {rank_, d_state_, d_state_});
  if (config_.norm_bcdt) {
    for (Variable& part : dt_B_C) part = unit_rms_norm(part, config_.bcdt_eps);
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
                                    .initial_state = ssm_before,
                                    .sequence_ids = sequence.ids,
                                    .want_final_state = sequence.want_final});
  Output out{.y = out_proj_.forward(scan.y), .final = {}};
  if (sequence.want_final) out.final.parts = {conv.final_state, scan.final_state};
  return out;
}

}  // namespace krait
