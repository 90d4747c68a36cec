// From token sets to batches: windows, order, prefetch.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/target.h"
#include "core/tensor/tensor.h"
#include "data/token_set/token_set.h"

namespace krait {

/// One training sequence. `sequence_ids` is empty or as long as the others, which are equally long.
struct Sample {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;       // of each input, or kIgnoreIndex
  std::vector<std::int32_t> sequence_ids;  // state does not pass where the id changes
};

/// Where a sample goes in a batch: the spans are as long as its vectors.
struct SampleRow {
  std::span<std::int32_t> inputs, targets, sequence_ids;
};

/// Two functions, and two that a data set may do better than by them. All may be called from any
/// thread.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::uint64_t size() const = 0;
  /// Sample `index` < size().
  virtual Sample get(std::uint64_t index) const = 0;
  /// get(), without memory of its own. Throws (Contract) for a row of another length or kind.
  virtual void get_into(std::uint64_t index, const SampleRow& row) const;
  /// Is told which samples come next, so that a disk can work on several at once.
  virtual void prefetch(std::uint64_t /*index*/) const {}
};

/// What a model does at the boundaries between the documents packed into one window. Either way
/// every target counts.
///
/// Reset takes the end-of-document token for the start of the document that follows: its state
/// begins there, and from it alone the document's first token is predicted. That is how a model is
/// used, too: a text is scored, and an empty prompt continued, behind an end-of-document token (see
/// train/evaluate/corpus.h), so this is where the model has to learn how documents begin; if the
/// ids changed behind it, its prediction would have to be ignored, and never be trained.
enum class DocumentBoundary : std::uint8_t {
  Continue,  // documents are one stream
  Reset,     // sequence ids, counted from 0 in each window, change at each end-of-document token
};

/// The windows of a token set, over all its shards as one stream: window i has the inputs [i L,
/// (i+1) L) and the targets one token later. Up to L tokens at the end of the set belong to no
/// window.
class TokenWindows final : public Dataset {
 public:
  /// `length` L >= 1 in tokens. Throws BadConfig when the set has no more than L tokens.
  TokenWindows(std::shared_ptr<const TokenSet> set, std::int64_t length, DocumentBoundary boundary);
  std::uint64_t size() const override { return (set_->n_tokens() - 1) / length_; }
  Sample get(std::uint64_t index) const override;
  void get_into(std::uint64_t index, const SampleRow& row) const override;
  void prefetch(std::uint64_t index) const override {
    set_->prefetch(index * length_, length_ + 1);
  }

 private:
  void write_sequence_ids(std::uint64_t first, std::span<std::int32_t> ids) const;

  std::shared_ptr<const TokenSet> set_;
  std::uint64_t length_;
  DocumentBoundary boundary_;
};

/// Samples in rows. All tensors are i32 of shape (batch, length) on the CPU.
struct Batch {
  Tensor inputs;
  Tensor targets;
  Tensor sequence_ids;             // undefined when the samples have none
  std::int64_t n_targets = 0;      // that are not ignored
  std::uint64_t first_sample = 0;  // its number in the run
};

struct LoaderOptions {
  std::int64_t batch_size = 1;
  std::uint64_t seed = 0;
  bool shuffle = true;
  int prefetch = 2;  // batches made ahead by a background thread; 0: made when asked for
};

/// A data set of a mixture. Its share of the samples is weight / sum of weights.
struct LoaderPart {
  std::shared_ptr<const Dataset> dataset;
  double weight = 1;
};

/// An endless stream of batches of the samples of one or several data sets, in the order that
/// SampleOrder defines; batches run on across the end of an epoch. So the whole position is one
/// integer, samples_seen(), and the order is the same whatever the batch size, the prefetch depth
/// and the number of interruptions.
class Loader {
 public:
  /// Throws BadConfig for impossible weights.
  Loader(std::vector<LoaderPart> parts, const LoaderOptions& options);
  Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Waits for the next batch. An exception of the dataset comes out here, at the batch it belongs
  /// to, and again at every later call.
  Batch next();
  /// Samples handed out since the start of the run: what a checkpoint keeps.
  std::uint64_t samples_seen() const { return samples_seen_; }
  /// Of the next sample of a part: how often all of it has been handed out.
  std::uint64_t epoch(std::size_t part = 0) const;
  /// Goes on as if that many samples had been handed out. Constant time.
  void skip_to(std::uint64_t samples_seen);

 private:
  class BatchMaker;
  class Prefetcher;
  void start();

  std::vector<LoaderPart> parts_;
  LoaderOptions options_;
  std::uint64_t samples_seen_ = 0;
  std::unique_ptr<BatchMaker> maker_;  // without prefetch
  std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace krait
