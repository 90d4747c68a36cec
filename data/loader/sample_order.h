// The order of the samples of a run: shuffling and mixtures without state.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/random.h"

namespace krait {

/// A set of a mixture.
struct OrderPart {
  std::uint64_t size = 0;  // samples, at least 1
  double weight = 1;       // above 0; its share of the samples is weight / sum of weights
};

/// Where a sample comes from.
struct SamplePlace {
  std::size_t part = 0;
  std::uint64_t index = 0;  // in the part
  friend bool operator==(const SamplePlace&, const SamplePlace&) = default;
};

/// The order of the samples of an endless run over one or several parts. A pure function of the
/// number of the sample, the seed, the sizes and the weights, in constant memory.
///
/// Which part: the run is cut into blocks of 1024 samples. Of the first b blocks part j has exactly
/// n_j(1024 b) samples, where n_1(t) = floor(t f_1), n_2(t) = floor((t - n_1(t)) f_2), ..., f_j =
/// weight_j / (weight_j + weight_j+1 + ...) in 32 bits, so at the end of every block its share is
/// right to within one sample per part; inside a block their order is a shuffle (Fisher, Yates) by
/// Philox numbers keyed by the seed and the number of the sample.
///
/// Which sample of the part: its samples come in the same order as in a run on this part alone. Its
/// n-th sample is number n mod size of epoch n / size, and the order in an epoch is a permutation
/// keyed by (seed, epoch), or that of the part if shuffling is off.
class SampleOrder {
 public:
  static constexpr std::uint64_t kBlock = 1024;

  /// Throws BadConfig when a weight is not above 0, not finite, or below 2^-33 of the sum, so that
  /// its part would never be drawn.
  SampleOrder(std::vector<OrderPart> parts, std::uint64_t seed, bool shuffle);

  /// Sample `k` of the run. Constant time; one in another block than the last takes some 30 us.
  SamplePlace operator()(std::uint64_t k);
  /// How many of the samples before k each part has.
  std::vector<std::uint64_t> counts(std::uint64_t k);
  /// The part of sample k, and its number in that part.
  SamplePlace turn(std::uint64_t k);
  /// The place of sample n of a run on one part alone, for any n.
  SamplePlace place(std::size_t part, std::uint64_t n);

 private:
  struct Part {
    std::uint64_t size;
    std::uint64_t share;  // f_j * 2^32
    std::uint64_t epoch = 0;
    std::optional<Permutation> permutation;  // of that epoch
  };
  std::vector<std::uint64_t> counts_before(std::uint64_t block) const;
  void arrange(std::uint64_t block);

  std::vector<Part> parts_;
  std::uint64_t seed_;
  bool shuffle_;
  std::vector<SamplePlace> turns_;  // of the samples of `block_`, when there are several parts
  std::uint64_t block_ = 0;
};

}  // namespace krait
