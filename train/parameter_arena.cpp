#include "train/parameter_arena.h"

#include "kernels/copy.h"

namespace krait {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line of f32

std::int64_t aligned(std::int64_t count) {
  return (count + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

ParameterArena::ParameterArena(const Module& module) {
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
  const Variable& first = parameters.front().variable;
  value_ = Tensor::zeros({size}, first.dtype(), first.value().device());
  grad_ = like();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Variable& v = parameters[i].variable;
    const Tensor value = value_.view(slots_[i].offset, slots_[i].shape);
    copy({.x = v.value(), .y = value}, current_context());
    v.bind(value, grad_.view(slots_[i].offset, slots_[i].shape));
  }
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
