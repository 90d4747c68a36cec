#include "core/system/bounded_queue.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Queue = BoundedQueue<int>;
using Put = Queue::Put;

/// Puts 0, 1, ..., count - 1.
auto numbers(int count) {
  return [count](const Put& put) {
    for (int i = 0; i < count; ++i) {
      if (!put(i)) return;
    }
  };
}

template <typename Condition>
bool comes_true(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  return condition();
}

TEST(BoundedQueue, GivesTheValuesInOrderAndThenNothing) {
  for (const std::size_t depth : {1, 2, 100}) {
    Queue queue(depth, numbers(50));
    for (int i = 0; i < 50; ++i) ASSERT_EQ(queue.take(), i);
    EXPECT_EQ(queue.take(), std::nullopt);
    EXPECT_EQ(queue.take(), std::nullopt);
  }
}

TEST(BoundedQueue, TheProducerIsAheadByTheDepthAndOneValueInItsHand) {
  std::atomic<int> made{0};
  Queue queue(3, [&](const Put& put) {
    while (put(made++)) {
    }
  });
  ASSERT_TRUE(comes_true([&] { return made == 4; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(made, 4);
  EXPECT_EQ(queue.take(), 0);
  EXPECT_TRUE(comes_true([&] { return made == 5; }));
}

TEST(BoundedQueue, AFailureComesAfterTheValuesBeforeItAndAgainAtEveryCall) {
  Queue queue(10, [](const Put& put) {
    put(7);
    put(8);
    throw std::runtime_error("the producer failed");
  });
  EXPECT_EQ(queue.take(), 7);
  EXPECT_EQ(queue.take(), 8);
  for (int i = 0; i < 2; ++i) {
    try {
      queue.take();
      FAIL() << "take() did not throw";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "the producer failed");
    }
  }
}

TEST(BoundedQueue, AValueThatWasTakenLeavesRoomForAProducerThatWaits) {
  Queue queue(1, numbers(1000));
  int sum = 0;
  while (const auto value = queue.take()) sum += *value;
  EXPECT_EQ(sum, 999 * 1000 / 2);
}

TEST(BoundedQueue, StopsAProducerThatWaitsForRoomAndOneThatHasIt) {
  for (const std::size_t depth : {1, 1'000'000}) {
    for (int i = 0; i < 50; ++i) {
      std::atomic<bool> returned{false};
      {
        const Queue queue(depth, [&](const Put& put) {
          while (put(1)) {
          }
          returned = true;
        });
      }
      ASSERT_TRUE(returned);
    }
  }
}

TEST(BoundedQueue, MovesValuesThatCannotBeCopied) {
  BoundedQueue<std::unique_ptr<int>> queue(1, [](const auto& put) {
    put(std::make_unique<int>(5));
    put(std::make_unique<int>(6));
  });
  EXPECT_EQ(**queue.take(), 5);
  EXPECT_EQ(**queue.take(), 6);
}

TEST(BoundedQueue, RefusesADepthOfNothing) {
  expect_error(ErrorKind::Contract, {"depth must be >= 1, got 0"}, [] { Queue(0, numbers(1)); });
}

}  // namespace
}  // namespace krait
