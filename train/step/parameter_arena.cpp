#include "train/step/parameter_arena.h"

#include <optional>

#include "kernels/copy.h"

namespace krait {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line of f32

std::int64_t aligned(std::int64_t count) {
  return (count + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

ParameterArena::ParameterArena(const Module& module, Device device) {
  const std::vector<Parameter> parameters = module.parameters();
  KRAIT_REQUIRE(!parameters.empty(), "[ParameterArena] the module has no parameters.");
  slots_.resize(parameters.size());
  std::int64_t size = 0;
  for (const bool decay : {true, false}) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& p = parameters[i];
      if (p.weight_decay != decay) continue;
      slots_[i] = {p.name, p.variable.shape(), size};
      size += aligned(p.variable.value().numel());
    }
    if (decay) decayed_ = size;
  }
  const DType dtype = parameters.front().variable.dtype();
  const Tensor here = Tensor::zeros({size}, dtype, parameters.front().variable.device());
  std::optional<DType> compute;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    copy({.x = p.variable.value(), .y = here.view(slots_[i].offset, slots_[i].shape)},
         current_context());
    if (p.compute_dtype() == dtype) continue;
    KRAIT_REQUIRE(compute.value_or(p.compute_dtype()) == p.compute_dtype(),
                  "[ParameterArena] parameters are to be read in ", *compute, " and in ",
                  p.compute_dtype(), "; only one dtype beside ", dtype, " is possible.");
    compute = p.compute_dtype();
  }
  value_ = here.to(device);
  grad_ = like();
  if (compute) {
    compute_ = Tensor::empty({size}, *compute, device);
    refresh_compute();
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    const auto part = [&](const Tensor& flat) {
      return flat.view(slots_[i].offset, slots_[i].shape);
    };
    p.variable.bind(part(p.compute_dtype() == dtype ? value_ : compute_), part(grad_));
  }
}

void ParameterArena::refresh_compute() const {
  if (!compute_.defined()) return;
  copy({.x = value_, .y = compute_}, current_context());
  compute_.bump_version();
}

Tensor ParameterArena::like() const {
  return Tensor::zeros(value_.shape(), value_.dtype(), value_.device());
}

std::vector<NamedTensor> ParameterArena::named(const Tensor& flat) const {
  std::vector<NamedTensor> out;
  for (const Slot& s : slots_) out.push_back({s.name, flat.view(s.offset, s.shape)});
  return out;
}

}  // namespace krait
