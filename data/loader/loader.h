// From data sets to batches: order, mixture, prefetch.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "data/loader/batch.h"
#include "data/loader/dataset.h"

namespace krait {

/// What the turns of the parts of a mixture are. Samples: each sample of a batch is of the part
/// whose turn it is. Batches: all samples of a batch are of one part, so that parts may differ in
/// the lengths of their samples; SampleOrder then orders batches. Batch b of a part has its samples
/// b batch_size to (b + 1) batch_size - 1 of a run on it alone.
enum class Turns : std::uint8_t { Samples, Batches };

struct LoaderOptions {
  std::int64_t batch_size = 1;  // samples, of all ranks together
  std::uint64_t seed = 0;
  bool shuffle = true;
  Turns turns = Turns::Samples;
  int prefetch = 2;  // batches made ahead by a background thread; 0: made when asked for
  int rank = 0;      // of the processes that share the batches,
  int ranks = 1;     // and how many those are, at most batch_size
};

/// A data set of a mixture. Its share of the samples is weight / sum of weights.
struct LoaderPart {
  std::shared_ptr<const Dataset> dataset;
  double weight = 1;
};

/// An endless stream of batches of the samples of one or several data sets, in the order that
/// SampleOrder defines; batches continue across the end of an epoch. So the whole position is one
/// integer, samples_seen(), and the order is the same whatever the prefetch depth, the number of
/// interruptions and, unless turns are batches, the batch size.
///
/// Rank r of n gets rows [r b / n, (r + 1) b / n) of each batch of b samples, rounded down. The
/// position counts the samples of all ranks, so it is the same on each of them, and the order does
/// not depend on their number.
class Loader {
 public:
  /// Throws BadConfig for impossible weights.
  Loader(std::vector<LoaderPart> parts, const LoaderOptions& options);
  Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Waits for the next batch: this rank's rows of it. Throws the exceptions of the data set, at
  /// the batch that they belong to and at every later call.
  Batch next();
  /// Samples handed out to all ranks since the start of the run. A checkpoint keeps this number.
  std::uint64_t samples_seen() const { return samples_seen_; }
  /// The epoch of a part's next sample: how often the whole part has been handed out.
  std::uint64_t epoch(std::size_t part = 0) const;
  /// Continues as if that many samples had been handed out. Constant time. Throws BadConfig when
  /// turns are batches, and that is not a whole number of them.
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
