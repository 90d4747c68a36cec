#include "core/system/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>

#include "core/error.h"

namespace krait {
namespace {

using Body = std::function<void(std::int64_t, std::int64_t)>;

thread_local bool inside_loop = false;

/// One loop: threads take chunk numbers from `next` until none is left.
struct Loop {
  std::int64_t count, grain;
  const Body& body;
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;

  void run() {
    inside_loop = true;
    const std::int64_t chunks = (count + grain - 1) / grain;
    for (std::int64_t i = next.fetch_add(1); i < chunks; i = next.fetch_add(1)) {
      try {
        body(i * grain, std::min(count, (i + 1) * grain));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next.store(chunks);
      }
    }
    inside_loop = false;
  }
};

/// Tells the processor that its thread waits in a loop.
void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int default_thread_count() {
  if (const char* text = std::getenv("KRAIT_THREADS")) {
    if (const int n = std::atoi(text); n >= 1) return n;
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return 1;
}

/// Workers sleep on `epoch` and join the loop that is posted there.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) {
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }
  ~Pool() {
    for (auto& w : workers_) w.request_stop();
    {
      const std::lock_guard lock(mutex_);
      ++epoch_;
    }
    wake_.notify_all();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(Loop& loop) {
    {
      const std::lock_guard lock(mutex_);
      loop_ = &loop;
      working_ = static_cast<int>(workers_.size());
      epoch_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    loop.run();
    spin_until([this] { return working_.load(std::memory_order_acquire) == 0; });
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return working_ == 0; });
    loop_ = nullptr;
  }

 private:
  // Loops follow each other within microseconds in a training step; a thread that slept in between
  // would pay a wake-up of about 50 us for each.
  template <class Condition>
  static void spin_until(Condition&& condition) {
    constexpr int kSpins = 4000;  // about 50 us
    for (int i = 0; i < kSpins && !condition(); ++i) pause_processor();
  }

  void work(const std::stop_token& stop) {
    std::uint64_t seen = 0;
    while (true) {
      spin_until([&] { return epoch_.load(std::memory_order_acquire) != seen; });
      Loop* loop = nullptr;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return epoch_ != seen; });
        seen = epoch_;
        loop = loop_;
      }
      if (stop.stop_requested()) return;
      loop->run();
      const std::lock_guard lock(mutex_);
      if (working_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<int> working_{0};
  Loop* loop_ = nullptr;
  std::vector<std::jthread> workers_;
};

std::mutex& pool_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Not protected by the pool's mutex, so that the body of a loop may read it.
std::atomic<int>& pool_size() {
  static std::atomic<int> size{default_thread_count()};
  return size;
}

std::unique_ptr<Pool>& pool() {
  static auto instance = std::make_unique<Pool>(pool_size());
  return instance;
}

}  // namespace

void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  KRAIT_REQUIRE(grain >= 1, "[parallel_for] grain must be >= 1, got ", grain, ".");
  if (count <= 0) return;
  Loop loop{.count = count, .grain = grain, .body = body};
  if (inside_loop) {
    for (std::int64_t i = 0; i < count; i += grain) body(i, std::min(count, i + grain));
    return;
  }
  // The pool runs one loop at a time; a second thread that starts a loop meanwhile runs it alone.
  std::unique_lock lock(pool_mutex(), std::try_to_lock);
  if (count <= grain || !lock.owns_lock() || pool()->threads() == 1) {
    loop.run();
  } else {
    pool()->run(loop);
  }
  if (loop.failure) std::rethrow_exception(loop.failure);
}

int thread_count() {
  return pool_size();
}

void set_thread_count(int count) {
  KRAIT_REQUIRE(count >= 1, "[set_thread_count] count must be >= 1, got ", count, ".");
  const std::lock_guard lock(pool_mutex());
  if (pool()->threads() == count) return;
  pool().reset();
  pool_size() = count;
  pool() = std::make_unique<Pool>(count);
}

}  // namespace krait
