#include "layers/module.h"

#include <utility>

#include "autograd/operations/view.h"
#include "core/system/parallel.h"

namespace krait {
namespace {

thread_local bool shapes_only = false;

void require_memory(const Parameter& p) {
  KRAIT_REQUIRE(p.variable.value().defined(), "[Module] the parameter ", p.name,
                " has no memory: its module was made under a ShapesOnlyScope.");
}

}  // namespace

ShapesOnlyScope::ShapesOnlyScope() : previous_(std::exchange(shapes_only, true)) {}
ShapesOnlyScope::~ShapesOnlyScope() {
  shapes_only = previous_;
}

Variable Module::add_parameter(Parameter parameter, const Shape& shape, DType dtype) {
  parameter.variable =
      shapes_only ? Variable(shape, dtype) : Variable(Tensor::empty(shape, dtype), true);
  own_.push_back(std::move(parameter));
  return own_.back().variable;
}

void Module::add_child(const std::string& name, const Module& child) {
  children_.push_back({name, &child});
}

std::vector<Parameter> Module::parameters() const {
  std::vector<Parameter> all = own_;
  for (const Child& child : children_) {
    for (Parameter& p : child.module->parameters()) {
      p.name = child.name + "." + p.name;
      all.push_back(std::move(p));
    }
  }
  return all;
}

std::vector<Variable> Module::variables() const {
  std::vector<Variable> all;
  for (const Parameter& p : parameters()) all.push_back(p.variable);
  return all;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const Variable& v : variables()) count += v.shape().numel();
  return count;
}

void Module::initialise(std::uint64_t seed) const {
  for (const Parameter& p : parameters()) {
    require_memory(p);
    const RandomStream random{seed, RandomPurpose::Initialise, stream_of(p.name)};
    const Tensor& value = p.variable.value();
    visit_float(value.dtype(), p.name, [&](auto tag) {
      using T = decltype(tag);
      T* out = value.data<T>();
      parallel_for(value.numel(), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          out[i] = static_cast<T>(p.initialise(random, static_cast<std::uint64_t>(i)));
        }
      });
    });
    value.bump_version();
  }
}

void Module::place(Device device) const {
  const NoGradScope no_grad;
  for (const Parameter& p : parameters()) {
    require_memory(p);
    const Variable moved(p.variable.value().to(device));
    p.variable.rebind(cast(moved, p.compute_dtype()).value());
  }
}

}  // namespace krait
