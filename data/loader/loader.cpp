#include "data/loader/loader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/system/bounded_queue.h"
#include "data/loader/sample_order.h"

namespace krait {
namespace {

std::span<std::int32_t> row_of(const Tensor& rows, std::int64_t row) {
  if (!rows.defined()) return {};
  return rows.span<std::int32_t>().subspan(static_cast<std::size_t>(row * rows.size(1)),
                                           static_cast<std::size_t>(rows.size(1)));
}

std::vector<OrderPart> order_parts(const std::vector<LoaderPart>& parts) {
  std::vector<OrderPart> sizes;
  for (const LoaderPart& part : parts) {
    KRAIT_REQUIRE(part.dataset->size() >= 1, "[Loader] the dataset must not be empty.");
    sizes.push_back({.size = part.dataset->size(), .weight = part.weight});
  }
  return sizes;
}

}  // namespace

/// Makes batches from their numbers.
class Loader::BatchMaker {
 public:
  BatchMaker(const std::vector<LoaderPart>& parts, const LoaderOptions& options)
      : parts_(parts),
        first_row_(options.rank * options.batch_size / options.ranks),
        rows_((options.rank + 1) * options.batch_size / options.ranks - first_row_),
        batch_size_(static_cast<std::uint64_t>(options.batch_size)),
        turns_(options.turns),
        order_(order_parts(parts), options.seed, options.shuffle),
        samples_(parts.size()) {}

  /// This rank's rows of the batch that begins with sample `first`.
  Batch make(std::uint64_t first) {
    first += static_cast<std::uint64_t>(first_row_);
    std::vector<SamplePlace> places;
    for (std::int64_t row = 0; row < rows_; ++row) {
      places.push_back(place_of(first + static_cast<std::uint64_t>(row)));
      parts_[places.back().part].dataset->prefetch(places.back().index);
    }
    std::optional<Sample>& sample = samples_[places.front().part];
    if (!sample) sample = parts_[places.front().part].dataset->get(places.front().index);
    Batch batch = shaped_like(*sample);
    batch.first_sample = first;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const SampleRow target{.inputs = row_of(batch.inputs, row),
                             .targets = row_of(batch.targets, row),
                             .sequence_ids = row_of(batch.sequence_ids, row)};
      const SamplePlace& place = places[static_cast<std::size_t>(row)];
      parts_[place.part].dataset->get_into(place.index, target);
      batch.n_targets +=
          std::ranges::count_if(target.targets, [](auto id) { return id != kIgnoreIndex; });
    }
    return batch;
  }

 private:
  SamplePlace place_of(std::uint64_t k) {
    if (turns_ == Turns::Samples) return order_(k);
    const SamplePlace batch = order_.turn(k / batch_size_);
    return order_.place(batch.part, batch.index * batch_size_ + k % batch_size_);
  }
  Batch shaped_like(const Sample& sample) const {
    const auto rows_like = [this](const std::vector<std::int32_t>& values) {
      return Tensor::empty({rows_, static_cast<std::int64_t>(values.size())}, DType::I32);
    };
    Batch batch{.inputs = rows_like(sample.inputs), .targets = rows_like(sample.targets)};
    if (!sample.sequence_ids.empty()) batch.sequence_ids = rows_like(sample.sequence_ids);
    return batch;
  }

  std::vector<LoaderPart> parts_;
  std::int64_t first_row_, rows_;
  std::uint64_t batch_size_;
  Turns turns_;
  SampleOrder order_;
  std::vector<std::optional<Sample>> samples_;  // the first of each part: all are of its lengths
};

/// Makes batches in order on another thread, ahead of the calls of take().
class Loader::Prefetcher {
 public:
  Prefetcher(const std::vector<LoaderPart>& parts, const LoaderOptions& options,
             std::uint64_t first)
      : maker_(parts, options),
        ready_(static_cast<std::size_t>(options.prefetch),
               [this, first, step = static_cast<std::uint64_t>(options.batch_size)](
                   const BoundedQueue<Batch>::Put& put) {
                 for (std::uint64_t k = first; put(maker_.make(k)); k += step) {
                 }
               }) {}

  Batch take() { return ready_.take().value(); }

 private:
  BatchMaker maker_;
  BoundedQueue<Batch> ready_;  // after what its thread uses
};

Loader::Loader(std::vector<LoaderPart> parts, const LoaderOptions& options)
    : parts_(std::move(parts)), options_(options) {
  KRAIT_REQUIRE(options.batch_size >= 1 && options.prefetch >= 0,
                "[Loader] batch_size must be >= 1 and prefetch >= 0, got ", options.batch_size,
                " and ", options.prefetch, ".");
  KRAIT_REQUIRE(
      options.rank >= 0 && options.rank < options.ranks && options.ranks <= options.batch_size,
      "[Loader] rank must be in [0, ranks) and ranks at most batch_size, got rank ", options.rank,
      " of ", options.ranks, " for batches of ", options.batch_size, ".");
  start();
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options)
    : Loader(std::vector<LoaderPart>{{.dataset = std::move(dataset)}}, options) {}

Loader::~Loader() = default;

void Loader::start() {
  prefetcher_.reset();  // stops the thread first
  if (options_.prefetch > 0) {
    prefetcher_ = std::make_unique<Prefetcher>(parts_, options_, samples_seen_);
  } else {
    maker_ = std::make_unique<BatchMaker>(parts_, options_);
  }
}

Batch Loader::next() {
  Batch batch = prefetcher_ ? prefetcher_->take() : maker_->make(samples_seen_);
  samples_seen_ += static_cast<std::uint64_t>(options_.batch_size);
  return batch;
}

std::uint64_t Loader::epoch(std::size_t part) const {
  SampleOrder order(order_parts(parts_), options_.seed, options_.shuffle);
  const auto batch_size = static_cast<std::uint64_t>(options_.batch_size);
  const std::uint64_t seen = options_.turns == Turns::Samples
                                 ? order.counts(samples_seen_).at(part)
                                 : order.counts(samples_seen_ / batch_size).at(part) * batch_size;
  return seen / parts_.at(part).dataset->size();
}

void Loader::skip_to(std::uint64_t samples_seen) {
  const auto batch_size = static_cast<std::uint64_t>(options_.batch_size);
  KRAIT_CHECK(BadConfig, options_.turns == Turns::Samples || samples_seen % batch_size == 0,
              "a run that goes on after ", samples_seen,
              " samples in batches by length must keep its batch size, which ", batch_size,
              " cannot be.");
  samples_seen_ = samples_seen;
  start();
}

}  // namespace krait
