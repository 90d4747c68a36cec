// Does a model use its context? Losses by how much of it there was.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "train/evaluate/exact_sum.h"

namespace krait {

/// The targets that had `from` <= tokens of context < `to`.
struct ContextBucket {
  std::uint64_t from = 0, to = 0;
  std::uint64_t n_tokens = 0;
  double mean_loss = 0;  // nats per token; 0 without tokens
};

/// Sums losses by context: 0, 1, 2 to 3, 4 to 7, 8 to 15 tokens and so on. Of constant size
/// whatever the length, and exact, so that the order of additions does not matter.
class ContextBuckets {
 public:
  void add(std::uint64_t context, double loss);
  /// From no context up to the most that there was.
  std::vector<ContextBucket> buckets() const;

 private:
  struct Sum {
    ExactSum losses;
    std::uint64_t n_tokens = 0;
  };
  std::array<Sum, 65> sums_;  // by std::bit_width(context)
};

}  // namespace krait
