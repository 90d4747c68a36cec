// Module: named parameters and children. Names follow the published checkpoints, such as
// backbone.layers.3.mixer.A_log.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "core/random.h"

namespace krait {

/// The initial value of element `index` (row-major) of a parameter. The stream belongs to the seed
/// and the parameter's name, so it depends neither on the order of construction nor on the dtype.
using Initialiser = std::function<double(const RandomStream& random, std::uint64_t index)>;

struct Parameter {
  std::string name;
  Variable variable;         // without memory in a module made under a ShapesOnlyScope
  bool weight_decay = true;  // norms, biases, A_log and D are not decayed
  Initialiser initialise;
  std::optional<DType> compute =
      {};  // the dtype that operations read it in; default: that of the variable

  const Shape& shape() const { return variable.shape(); }
  DType dtype() const { return variable.dtype(); }
  DType compute_dtype() const { return compute.value_or(dtype()); }
};

/// While one is open on a thread, the modules made there know the names, shapes and dtypes of their
/// parameters, but take no memory for them: for sizing a model before, or without, making it.
class ShapesOnlyScope {
 public:
  ShapesOnlyScope();
  ~ShapesOnlyScope();
  ShapesOnlyScope(const ShapesOnlyScope&) = delete;
  ShapesOnlyScope& operator=(const ShapesOnlyScope&) = delete;

 private:
  bool previous_;
};

/// Base of all layers. forward() is not virtual: each layer has its own signature. Modules do not
/// move, since their parents point to them.
class Module {
 public:
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// All parameters, depth first in the order of registration.
  std::vector<Parameter> parameters() const;
  /// The variables of parameters().
  std::vector<Variable> variables() const;
  std::int64_t parameter_count() const;
  /// Sets every parameter, on the CPU, to its initial value. Throws (Contract), as place() does,
  /// for a module of shapes only.
  void initialise(std::uint64_t seed) const;
  /// Moves the parameters to `device`, each in the dtype that operations read it in: for using a
  /// model. Training keeps the wide values beside them (train/step/parameter_arena.h).
  void place(Device device) const;

 protected:
  Module() = default;
  ~Module() = default;
  /// Registers an uninitialised parameter; `parameter.variable` is made here, without memory under
  /// a ShapesOnlyScope.
  Variable add_parameter(Parameter parameter, const Shape& shape, DType dtype);
  void add_child(const std::string& name, const Module& child);

 private:
  struct Child {
    std::string name;
    const Module* module;
  };
  std::vector<Parameter> own_;
  std::vector<Child> children_;
};

}  // namespace krait
