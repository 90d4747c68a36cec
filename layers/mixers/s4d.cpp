#include "layers/mixers/s4d.h"

#include <cmath>
#include <numbers>

#include "autograd/operations/elementwise.h"
#include "autograd/operations/s4d.h"
#include "autograd/operations/view.h"
#include "core/error.h"
#include "layers/basic/initialise.h"

namespace krait {
namespace {

/// Log-uniform in [dt_min, dt_max].
Initialiser log_dt_value(const S4dConfig& c) {
  return [low = std::log(c.dt_min), high = std::log(c.dt_max)](const RandomStream& random,
                                                               std::uint64_t i) {
    return low + random.uniform(i) * (high - low);
  };
}

Initialiser log_A_real_value(const S4dConfig& c) {
  if (c.initial == S4dInitial::Lin) return constant_value(std::log(0.5));
  return [n = static_cast<std::uint64_t>(c.modes())](const RandomStream&, std::uint64_t i) {
    return std::log(static_cast<double>(i % n + 1));
  };
}

Initialiser A_imag_value(const S4dConfig& c) {
  return [n = static_cast<std::uint64_t>(c.modes())](const RandomStream&, std::uint64_t i) {
    return std::numbers::pi * static_cast<double>(i % n);
  };
}

LinearConfig linear_config(const LayerPlace& place, std::int64_t inputs, std::int64_t outputs,
                           bool bias) {
  return {.inputs = inputs,
          .outputs = outputs,
          .bias = bias,
          .dtype = place.dtype,
          .compute = place.compute};
}

LinearConfig out_proj_config(const S4dConfig& c, const LayerPlace& place) {
  const std::int64_t inner = c.expand * place.d_model;
  LinearConfig config = linear_config(place, inner, place.d_model, c.proj_bias);
  const double layers = static_cast<double>(place.n_layer);
  config.weight_value = fan_in_value(inner, place.rescale_output ? 1 / std::sqrt(layers) : 1);
  return config;
}

}  // namespace

S4d::S4d(const S4dConfig& c, const LayerPlace& place)
    : config_(c),
      place_(place),
      d_inner_(c.expand * place.d_model),
      modes_(c.modes()),
      in_proj_(linear_config(place, place.d_model, 2 * d_inner_, c.proj_bias)),
      conv1d_({.d = d_inner_, .width = c.d_conv, .bias = c.conv_bias, .dtype = place.dtype}),
      out_proj_(out_proj_config(c, place)) {
  KRAIT_REQUIRE(modes_ >= 1 && (!is_complex() || c.d_state % 2 == 0),
                "[S4d] d_state must be even for a complex A, got ", c.d_state, ".");
  add_child("in_proj", in_proj_);
  add_child("conv1d", conv1d_);
  const auto state_parameter = [&](const char* name, const Shape& shape, Initialiser value,
                                   bool decay = false) {
    return add_parameter({.name = name, .weight_decay = decay, .initialise = std::move(value)},
                         shape, place.dtype);
  };
  const Shape modes{d_inner_, modes_};
  // Of unit variance; a complex number has it in both parts together.
  const Initialiser C = normal_value(is_complex() ? std::sqrt(0.5) : 1);
  log_dt_ = state_parameter("log_dt", {d_inner_}, log_dt_value(c));
  log_A_real_ = state_parameter("log_A_real", modes, log_A_real_value(c));
  if (is_complex()) A_imag_ = state_parameter("A_imag", modes, A_imag_value(c));
  C_real_ = state_parameter("C_real", modes, C, true);
  if (is_complex()) C_imag_ = state_parameter("C_imag", modes, C, true);
  D_ = state_parameter("D", {d_inner_}, normal_value(1));
  add_child("out_proj", out_proj_);
}

MixerState S4d::zero_state(std::int64_t sequences, Device device) const {
  const Tensor conv =
      Tensor::zeros({sequences, config_.d_conv - 1, d_inner_}, place_.compute_dtype(), device);
  const Shape modes =
      is_complex() ? Shape{sequences, d_inner_, modes_, 2} : Shape{sequences, d_inner_, modes_};
  return {{Variable(conv), Variable(Tensor::zeros(modes, place_.dtype, device))}};
}

MixerCost S4d::cost() const {
  const std::int64_t projections = 3 * place_.d_model * d_inner_, conv = d_inner_ * config_.d_conv;
  const std::int64_t scan = d_inner_ * modes_ * (is_complex() ? 7 : 2);  // update and output
  const std::int64_t state = d_inner_ * modes_ * (is_complex() ? 2 : 1);
  return {.flops = 2.0 * static_cast<double>(projections + conv + scan),
          .state_bytes = (config_.d_conv - 1) * d_inner_ *
                             static_cast<std::int64_t>(size_of(place_.compute_dtype())) +
                         state * static_cast<std::int64_t>(size_of(place_.dtype))};
}

Mixer::Output S4d::forward(const Variable& x, const MixerSequence& sequence) const {
  const auto& before = sequence.initial.parts;
  const Variable conv_before = before.empty() ? Variable() : before.at(0);
  const Variable modes_before = before.empty() ? Variable() : before.at(1);
  const auto xz = split(in_proj_.forward(x), 2, {d_inner_, d_inner_});  // (b, l, 2 d_inner)
  const auto conv = conv1d_.forward(
      xz[0], {.initial = conv_before, .ids = sequence.ids, .want_final = sequence.want_final});
  const auto scan = s4d({.u = conv.y,
                         .dt = exp(log_dt_),
                         .A_real = neg(exp(log_A_real_)),
                         .A_imag = A_imag_,
                         .C_real = C_real_,
                         .C_imag = C_imag_,
                         .D = D_,
                         .z = xz[1],
                         .initial_state = modes_before,
                         .sequence_ids = sequence.ids,
                         .want_final_state = sequence.want_final});
  Output out{.y = out_proj_.forward(scan.y), .final = {}};
  if (sequence.want_final) out.final.parts = {conv.final_state, scan.final_state};
  return out;
}

}  // namespace krait
