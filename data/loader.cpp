#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/random.h"

namespace krait {
namespace {

/// The sample of the dataset that comes at each place of the run.
class SampleOrder {
 public:
  SampleOrder(std::uint64_t size, const LoaderOptions& options) : size_(size), options_(options) {}

  std::uint64_t operator()(std::uint64_t k) {
    if (!options_.shuffle) return k % size_;
    const std::uint64_t epoch = k / size_;
    if (!permutation_ || epoch != epoch_) {
      epoch_ = epoch;
      permutation_.emplace(size_, RandomStream{.seed = options_.seed,
                                               .purpose = RandomPurpose::Shuffle,
                                               .stream = static_cast<std::uint32_t>(epoch)});
    }
    return (*permutation_)(k % size_);
  }

 private:
  std::uint64_t size_;
  LoaderOptions options_;
  std::uint64_t epoch_ = 0;
  std::optional<Permutation> permutation_;
};

void copy_row(const std::vector<std::int32_t>& values, const Tensor& rows, std::int64_t row) {
  std::copy(values.begin(), values.end(), rows.data<std::int32_t>() + row * rows.size(1));
}

Batch make_batch(const Dataset& dataset, SampleOrder& order, std::uint64_t first,
                 std::int64_t batch_size) {
  Batch batch{.first_sample = first};
  for (std::int64_t row = 0; row < batch_size; ++row) {
    const Sample sample = dataset.get(order(first + static_cast<std::uint64_t>(row)));
    if (row == 0) {
      const Shape shape{batch_size, static_cast<std::int64_t>(sample.inputs.size())};
      batch.inputs = Tensor::empty(shape, DType::I32);
      batch.targets = Tensor::empty(shape, DType::I32);
      if (!sample.sequence_ids.empty()) batch.sequence_ids = Tensor::empty(shape, DType::I32);
    }
    const auto length = static_cast<std::size_t>(batch.inputs.size(1));
    KRAIT_REQUIRE(sample.inputs.size() == length && sample.targets.size() == length &&
                      sample.sequence_ids.size() == (batch.sequence_ids.defined() ? length : 0),
                  "[Loader] the samples of a batch must have equal lengths and kinds, got ",
                  sample.inputs.size(), " inputs, ", sample.targets.size(), " targets and ",
                  sample.sequence_ids.size(), " sequence ids where ", length, " were expected.");
    copy_row(sample.inputs, batch.inputs, row);
    copy_row(sample.targets, batch.targets, row);
    if (batch.sequence_ids.defined()) copy_row(sample.sequence_ids, batch.sequence_ids, row);
    batch.n_targets += std::ranges::count_if(
        sample.targets, [](std::int32_t target) { return target != kIgnoreIndex; });
  }
  return batch;
}

}  // namespace

TokenWindows::TokenWindows(std::shared_ptr<const TokenSet> set, std::int64_t length,
                           DocumentBoundary boundary)
    : set_(std::move(set)), length_(static_cast<std::uint64_t>(length)), boundary_(boundary) {
  KRAIT_REQUIRE(length >= 1, "[TokenWindows] length must be >= 1, got ", length, ".");
  KRAIT_CHECK(BadConfig, set_->n_tokens() > length_, "'", set_->info().path.string(), "' has ",
              set_->n_tokens(), " tokens, a sequence of length ", length, " needs ", length_ + 1,
              "; shorten the sequence or add data.");
}

Sample TokenWindows::get(std::uint64_t index) const {
  KRAIT_REQUIRE(index < size(), "[TokenWindows] index ", index, " must be < ", size(), ".");
  const std::uint64_t first = index * length_;
  Sample sample{.inputs = std::vector<std::int32_t>(length_ + 1)};
  set_->copy(first, sample.inputs);
  sample.targets.assign(sample.inputs.begin() + 1, sample.inputs.end());
  sample.inputs.pop_back();
  if (boundary_ == DocumentBoundary::Continue) return sample;

  sample.sequence_ids.resize(length_);
  const auto offsets = set_->document_offsets();
  auto start = std::ranges::upper_bound(offsets, first);  // of the first document after `first`
  std::uint64_t done = 0;
  for (std::int32_t id = 0; done < length_; ++id, ++start) {
    const std::uint64_t end = std::min(*start - first, length_);
    std::fill(sample.sequence_ids.begin() + static_cast<std::ptrdiff_t>(done),
              sample.sequence_ids.begin() + static_cast<std::ptrdiff_t>(end), id);
    if (*start - first <= length_) sample.targets[end - 1] = kIgnoreIndex;
    done = end;
  }
  return sample;
}

/// Makes batches in order on a thread of its own, at most `depth` ahead.
class Loader::Prefetcher {
 public:
  Prefetcher(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options,
             std::uint64_t first)
      : dataset_(std::move(dataset)),
        options_(options),
        thread_([this, first](const std::stop_token& stop) { run(stop, first); }) {}

  Batch take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ready_.empty() || failure_; });
    if (ready_.empty()) std::rethrow_exception(failure_);
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

 private:
  void run(const std::stop_token& stop, std::uint64_t first) {
    try {
      SampleOrder order(dataset_->size(), options_);
      const auto step = static_cast<std::uint64_t>(options_.batch_size);
      for (std::uint64_t k = first; !stop.stop_requested(); k += step) {
        Batch batch = make_batch(*dataset_, order, k, options_.batch_size);
        std::unique_lock lock(mutex_);
        const auto depth = static_cast<std::size_t>(options_.prefetch);
        if (!changed_.wait(lock, stop, [&] { return ready_.size() < depth; })) return;
        ready_.push_back(std::move(batch));
        lock.unlock();
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Batch> ready_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it is stopped and joined before what it uses goes
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  KRAIT_REQUIRE(options.batch_size >= 1 && options.prefetch >= 0,
                "[Loader] batch_size must be >= 1 and prefetch >= 0, got ", options.batch_size,
                " and ", options.prefetch, ".");
  KRAIT_REQUIRE(dataset_->size() >= 1, "[Loader] the dataset must not be empty.");
  start();
}

Loader::~Loader() = default;

void Loader::start() {
  prefetcher_.reset();  // stops the thread first
  if (options_.prefetch > 0) {
    prefetcher_ = std::make_unique<Prefetcher>(dataset_, options_, samples_seen_);
  }
}

Batch Loader::next() {
  Batch batch;
  if (prefetcher_) {
    batch = prefetcher_->take();
  } else {
    SampleOrder order(dataset_->size(), options_);
    batch = make_batch(*dataset_, order, samples_seen_, options_.batch_size);
  }
  samples_seen_ += static_cast<std::uint64_t>(options_.batch_size);
  return batch;
}

std::uint64_t Loader::epoch() const {
  return samples_seen_ / dataset_->size();
}

void Loader::skip_to(std::uint64_t samples_seen) {
  samples_seen_ = samples_seen;
  start();
}

}  // namespace krait
