// Data sets: numbered samples of a training run.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace krait {

/// One training sequence.
struct Sample {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;       // one per input, or the label of the whole sequence;
                                           // kIgnoreIndex for none
  std::vector<std::int32_t> sequence_ids;  // one per input, or empty: state does not pass where the
                                           // id changes
};

/// The place of a sample in a batch: the spans are as long as its vectors.
struct SampleRow {
  std::span<std::int32_t> inputs, targets, sequence_ids;
};

/// size() and get(); get_into() and prefetch() have defaults that a data set may improve on. All
/// may be called from any thread.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::uint64_t size() const = 0;
  /// Sample `index` < size().
  virtual Sample get(std::uint64_t index) const = 0;
  /// get() without allocating memory. Throws (Contract) for a row of another length or kind.
  virtual void get_into(std::uint64_t index, const SampleRow& row) const;
  /// Says which samples come next, so that a disk can read several at once.
  virtual void prefetch(std::uint64_t /*index*/) const {}
};

}  // namespace krait
