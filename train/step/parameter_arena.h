// All parameters of a model in flat buffers.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor/named_tensor.h"
#include "layers/module.h"

namespace krait {

/// Lays the parameters of a module, and their gradients, into one buffer each, so that zeroing is
/// one memset, the optimizer one kernel per weight-decay group, and a collective or a shard a
/// slice. Decayed parameters come first. Each starts on a cache line; the gaps stay zero.
///
/// In mixed precision a third buffer of the same layout holds all values in the compute dtype, and
/// the parameters that operations read in it (Parameter::compute) point there. Their gradients are
/// as wide as the values.
class ParameterArena {
 public:
  /// Moves the parameters' values into the arena, on `device`, and points their variables there.
  explicit ParameterArena(const Module& module, Device device = {});

  const Tensor& value() const { return value_; }
  const Tensor& grad() const { return grad_; }
  /// The values in the compute dtype; undefined when that is the values' own.
  const Tensor& compute() const { return compute_; }
  /// Updates compute() from value(). To be called after a change of the values that does not write
  /// both.
  void refresh_compute() const;
  /// Elements [0, decayed()) are subject to weight decay, the rest are not.
  std::int64_t decayed() const { return decayed_; }
  std::int64_t size() const { return value_.numel(); }
  void zero_grad() const { grad_.zero(); }
  /// A zeroed buffer of the same layout, such as for the optimizer's moments.
  Tensor like() const;
  /// The parameters' parts of a buffer of this layout, by name and in model order.
  std::vector<NamedTensor> named(const Tensor& flat) const;

 private:
  struct Slot {
    std::string name;
    Shape shape;
    std::int64_t offset = 0;
  };
  std::vector<Slot> slots_;  // in model order
  Tensor value_, grad_, compute_;
  std::int64_t decayed_ = 0;
};

}  // namespace krait
