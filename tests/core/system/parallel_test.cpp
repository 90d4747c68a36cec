#include "core/system/parallel.h"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"

namespace krait {
namespace {

/// Restores the number of threads at the end of a test.
class Parallel : public ::testing::Test {
 protected:
  ~Parallel() override { set_thread_count(before_); }

 private:
  int before_ = thread_count();
};

TEST_F(Parallel, EveryChunkOnceWithItsFixedBounds) {
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    for (const std::int64_t count : {0, 1, 7, 10, 1000}) {
      for (const std::int64_t grain : {1, 3, 10, 2000}) {
        std::mutex mutex;
        std::multiset<std::pair<std::int64_t, std::int64_t>> chunks, want;
        parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          const std::lock_guard lock(mutex);
          chunks.emplace(begin, end);
        });
        for (std::int64_t i = 0; i < count; i += grain) want.emplace(i, std::min(count, i + grain));
        EXPECT_EQ(chunks, want) << threads << " threads, " << count << " by " << grain;
      }
    }
  }
}

TEST_F(Parallel, SumsOfChunksAreTheSameBitsForAnyNumberOfThreads) {
  const auto sum = [] {
    constexpr std::int64_t kGrain = 97;
    std::vector<float> partials(200000 / kGrain + 1);
    parallel_for(200000, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        partials[static_cast<std::size_t>(begin / kGrain)] += 1.0f / static_cast<float>(i + 1);
      }
    });
    float total = 0;
    for (const float p : partials) total += p;
    return total;
  };
  set_thread_count(1);
  const float one = sum();
  for (const int threads : {2, 5}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 20; ++repeat) ASSERT_EQ(sum(), one);
  }
}

TEST_F(Parallel, UsesSeveralThreads) {
  set_thread_count(3);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> waiting{0};
  parallel_for(3, 1, [&](std::int64_t, std::int64_t) {
    ++waiting;  // holds each of the three chunks until all have a thread of their own
    while (waiting < 3) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(ids.size(), 3u);
}

TEST_F(Parallel, NestedLoopsRunOnTheThreadOfTheirChunk) {
  set_thread_count(3);
  std::vector<std::atomic<int>> hits(12 * 10);
  parallel_for(12, 1, [&](std::int64_t i, std::int64_t) {
    const auto outer = std::this_thread::get_id();
    parallel_for(10, 1, [&](std::int64_t j, std::int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), outer);
      ++hits[static_cast<std::size_t>(i * 10 + j)];
    });
  });
  for (const auto& h : hits) EXPECT_EQ(h, 1);
}

TEST_F(Parallel, AnExceptionReachesTheCallerAndTheNextLoopWorks) {
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 10; ++repeat) {
      try {
        parallel_for(100, 1, [](std::int64_t begin, std::int64_t) {
          if (begin == 37) throw std::runtime_error("chunk 37");
        });
        FAIL() << "nothing was thrown";
      } catch (const std::runtime_error& e) {
        EXPECT_EQ(std::string(e.what()), "chunk 37");
      }
      std::atomic<int> chunks{0};
      parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++chunks; });
      EXPECT_EQ(chunks, 100);
    }
  }
}

TEST_F(Parallel, AnExceptionInANestedLoopReachesTheCaller) {
  set_thread_count(3);
  EXPECT_THROW(parallel_for(6, 1,
                            [](std::int64_t, std::int64_t) {
                              parallel_for(4, 1, [](std::int64_t j, std::int64_t) {
                                if (j == 2) throw std::runtime_error("inner");
                              });
                            }),
               std::runtime_error);
  std::atomic<int> chunks{0};
  parallel_for(9, 1, [&](std::int64_t, std::int64_t) { ++chunks; });
  EXPECT_EQ(chunks, 9);
}

TEST_F(Parallel, LoopsFromSeveralThreadsAtOnceAreAllRun) {
  set_thread_count(3);
  std::atomic<int> chunks{0};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        for (int repeat = 0; repeat < 50; ++repeat) {
          parallel_for(20, 1, [&](std::int64_t, std::int64_t) { ++chunks; });
        }
      });
    }
  }
  EXPECT_EQ(chunks, 4 * 50 * 20);
}

TEST_F(Parallel, ThreadCountIsWhatWasSet) {
  for (const int threads : {1, 4, 2}) {
    set_thread_count(threads);
    EXPECT_EQ(thread_count(), threads);
  }
}

TEST_F(Parallel, RejectsWrongNumbersAndSaysWhy) {
  try {
    set_thread_count(0);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "[set_thread_count] count must be >= 1, got 0.");
  }
  try {
    parallel_for(10, 0, [](std::int64_t, std::int64_t) {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "[parallel_for] grain must be >= 1, got 0.");
  }
}

TEST_F(Parallel, ABodyMayAskForTheNumberOfThreads) {
  const int expected = thread_count();
  std::atomic<int> seen{0};
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) { seen += thread_count(); });
  EXPECT_EQ(seen, 8 * expected);
}

}  // namespace
}  // namespace krait
