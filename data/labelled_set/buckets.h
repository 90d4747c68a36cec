// A labelled set as training samples: rows of a few lengths, so that a batch has little padding.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/labelled_set/labelled_set.h"
#include "data/loader/dataset.h"
#include "data/loader/loader.h"

namespace krait {

/// The id that fills a row of tokens up behind its input. The ids of a set are therefore one higher
/// in a sample, and a model needs n_symbols + 1 embeddings. Pixels are never padded and stay as
/// they are.
inline constexpr std::int32_t kPaddingId = 0;

/// Ids that samples of such a set hold: n_symbols + 1 for tokens, n_symbols for pixels.
std::int64_t sample_vocab_size(const LabelledSetDescription& description);

/// The examples of a set that share a row length. Sample i: inputs are those of its example, one
/// after the other, each cut or padded to `length` (a pair has 2 length ids: its first input fills
/// the first half); targets hold one element, the label.
class LabelledSamples final : public Dataset {
 public:
  /// `examples`: numbers in the set. 8 bytes of memory each.
  LabelledSamples(std::shared_ptr<const LabelledSet> set, std::vector<std::uint64_t> examples,
                  std::int64_t length);

  std::uint64_t size() const override { return examples_.size(); }
  Sample get(std::uint64_t index) const override;
  void prefetch(std::uint64_t index) const override { set_->prefetch(examples_[index]); }
  /// The example in the set that sample `index` is.
  std::uint64_t example(std::uint64_t index) const { return examples_.at(index); }
  std::int64_t length() const { return length_; }

 private:
  std::shared_ptr<const LabelledSet> set_;
  std::vector<std::uint64_t> examples_;
  std::int64_t length_;
};

struct BucketOptions {
  std::int64_t max_length = 0;  // inputs are cut to their first max_length tokens; 0: none is cut
  std::int64_t count = 8;       // buckets at most
  std::int64_t multiple = 64;   // of which lengths are, except for max_length itself
};

/// The rising row lengths, at most `count` of them, for which all rows together are shortest: an
/// exact minimum (by dynamic programming) over the multiples of `multiple`, or of a larger step
/// where there are more than 1024 of them. Images have one length, that of the image. Throws
/// BadConfig for options below their least values.
std::vector<std::int64_t> choose_bucket_lengths(const LabelledSet& set,
                                                const BucketOptions& options);

/// Sorts the examples by the least of `lengths` (rising) that holds all their inputs; inputs longer
/// than the last length are cut to it. A pair goes where its longer input fits. In a bucket the
/// examples keep the order of the set; lengths without an example make no bucket.
std::vector<std::shared_ptr<const LabelledSamples>> make_buckets(
    std::shared_ptr<const LabelledSet> set, std::span<const std::int64_t> lengths);

/// One part for each bucket, weighted by its size, for a Loader whose turns are batches: each batch
/// is of one bucket, and all buckets end their epochs together, within a few batches.
std::vector<LoaderPart> bucket_parts(
    const std::vector<std::shared_ptr<const LabelledSamples>>& buckets);

}  // namespace krait
