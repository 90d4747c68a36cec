// What the ranks of a data-parallel run say to each other.
#pragma once
#include <cstdint>
#include <memory>

#include "core/tensor/tensor.h"

namespace krait {

/// The collective operations of a run. Every rank calls the same ones in the same order, with
/// tensors of equal shapes and dtypes on its own device. They are submitted in the order of the
/// current context's stream, and the host does not wait. Sums are taken in the order of the ranks,
/// so two runs give the same bits.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;  // from 0
  virtual int size() const = 0;

  /// `shard` becomes part rank() of the sum over the ranks of `whole`. whole (size() n), shard (n),
  /// which may be that part of whole itself.
  virtual void reduce_scatter(const Tensor& whole, const Tensor& shard) = 0;
  /// `whole` becomes the shards of all ranks, in their order; shard (n) may be its own part of it.
  virtual void all_gather(const Tensor& shard, const Tensor& whole) = 0;
  /// `values` becomes its sum over the ranks.
  virtual void all_reduce(const Tensor& values) = 0;
  /// `values` becomes that of rank `root`.
  virtual void broadcast(const Tensor& values, int root) = 0;

  /// On the host, and waits: the sum over the ranks, and whether any of them says so.
  virtual std::int64_t sum(std::int64_t value) = 0;
  virtual bool any(bool flag) = 0;
};

/// The communicator of a run of one rank: each operation leaves its own values.
std::unique_ptr<Communicator> make_single_communicator();

}  // namespace krait
