// A queue between a producer thread and its consumer.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "core/error.h"

namespace krait {

/// Values that the queue's own thread produces before another thread takes them. At most `depth`
/// values wait in the queue, and the producer holds one more while it is full.
template <typename T>
class BoundedQueue {
 public:
  /// Appends a value; waits while `depth` values wait. Returns false, and drops the value, when the
  /// queue is being destroyed: the producer then has to return.
  using Put = std::function<bool(T value)>;

  /// Runs produce(put) on a new thread. `produce` ends the sequence of values when it returns, or
  /// with a failure when it throws. What it uses must outlive the queue. `depth` >= 1.
  BoundedQueue(std::size_t depth, std::function<void(const Put& put)> produce)
      : depth_(depth), thread_([this, produce = std::move(produce)](const std::stop_token& stop) {
          run(produce, stop);
        }) {
    KRAIT_REQUIRE(depth >= 1, "[BoundedQueue] depth must be >= 1, got ", depth, ".");
  }
  /// Waits until the producer returns.
  ~BoundedQueue() = default;
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  /// Waits for the next value; returns nothing at the end of the sequence. The producer's failure
  /// is thrown here, after the values put before it, and again at every later call.
  std::optional<T> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !values_.empty() || ended_; });
    if (values_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return value;
  }

 private:
  void run(const std::function<void(const Put&)>& produce, const std::stop_token& stop) {
    std::exception_ptr failure;
    try {
      produce([&](T value) { return put(std::move(value), stop); });
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
  }

  bool put(T value, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return values_.size() < depth_; });
    if (stop.stop_requested()) return false;
    values_.push_back(std::move(value));
    lock.unlock();
    changed_.notify_all();
    return true;
  }

  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<T> values_;
  std::exception_ptr failure_;
  bool ended_ = false;
  std::jthread thread_;  // last: it is stopped and joined before the members that it uses go
};

}  // namespace krait
