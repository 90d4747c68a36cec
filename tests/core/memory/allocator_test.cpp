#include "core/memory/allocator.h"

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/device.h"

namespace krait {
namespace {

/// Counts what it hands out, and has no memory beyond a limit.
class CountedSource final : public MemorySource {
 public:
  explicit CountedSource(std::size_t* held, std::size_t limit) : held_(held), limit_(limit) {}
  void* acquire(std::size_t bytes) override {
    if (*held_ + bytes > limit_) return nullptr;
    *held_ += bytes;
    return std::aligned_alloc(CachingAllocator::kAlignment, bytes);
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    *held_ -= bytes;
    std::free(pointer);
  }

 private:
  std::size_t* held_;
  std::size_t limit_;
};

struct Counted {
  std::size_t held = 0;
  CachingAllocator allocator;
  explicit Counted(std::size_t limit = std::size_t{1} << 40,
                   AllocatorMode mode = AllocatorMode::Caching)
      : allocator(std::make_unique<CountedSource>(&held, limit), mode) {}
};

TEST(Allocator, SizeClassesAreAlignedOrderedAndLoseAtMostAnEighth) {
  std::size_t last = 0;
  std::set<std::size_t> classes;
  for (std::size_t bytes = 0; bytes < 100000; ++bytes) {
    const std::size_t size = CachingAllocator::size_class(bytes);
    ASSERT_GE(size, bytes);
    ASSERT_GT(size, 0u);
    ASSERT_EQ(size % CachingAllocator::kAlignment, 0u) << bytes;
    ASSERT_GE(size, last);
    if (bytes > 512) {
      ASSERT_LE(size - bytes, bytes / 8 + 1) << bytes;
    }
    ASSERT_EQ(CachingAllocator::size_class(size), size) << "a class serves itself";
    classes.insert(size);
    last = size;
  }
  EXPECT_LE(classes.size(), 8u + 8u * 8u);  // eight up to 512, then eight for each power of two
  const std::size_t large = (std::size_t{1} << 40) + 12345;
  EXPECT_GE(CachingAllocator::size_class(large), large);
  EXPECT_LE(CachingAllocator::size_class(large), large + large / 8);
}

TEST(Allocator, BlocksAreAlignedAndWritable) {
  Counted c;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
    void* p = c.allocator.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % CachingAllocator::kAlignment, 0u);
    std::memset(p, 1, bytes);
    blocks.emplace_back(p, bytes);
  }
  for (const auto& [p, bytes] : blocks) c.allocator.deallocate(p, bytes);
}

TEST(Allocator, BlocksOfAClassAreReusedWithoutTheDriver) {
  Counted c;
  void* first = c.allocator.allocate(1000);
  c.allocator.deallocate(first, 1000);
  EXPECT_EQ(c.allocator.allocate(1020), first);  // 1000 and 1020 are of the class 1024
  EXPECT_EQ(c.allocator.statistics().driver_calls, 1u);
  EXPECT_EQ(c.allocator.statistics().allocations, 2u);
  void* other = c.allocator.allocate(1000);
  EXPECT_NE(other, first);
  EXPECT_EQ(c.allocator.statistics().driver_calls, 2u);
  c.allocator.deallocate(first, 1020);
  c.allocator.deallocate(other, 1000);
}

TEST(Allocator, StatisticsFollowEveryRequest) {
  Counted c;
  void* a = c.allocator.allocate(1024);
  void* b = c.allocator.allocate(2048);
  EXPECT_EQ(c.allocator.statistics().active, 3072u);
  EXPECT_EQ(c.allocator.statistics().peak, 3072u);
  EXPECT_EQ(c.allocator.statistics().cached, 0u);
  c.allocator.deallocate(b, 2048);
  EXPECT_EQ(c.allocator.statistics().active, 1024u);
  EXPECT_EQ(c.allocator.statistics().peak, 3072u);
  EXPECT_EQ(c.allocator.statistics().cached, 2048u);
  c.allocator.reset_peak();
  EXPECT_EQ(c.allocator.statistics().peak, 1024u);
  c.allocator.deallocate(a, 1024);
  EXPECT_EQ(c.allocator.statistics().active, 0u);
  EXPECT_EQ(c.held, 3072u);
}

TEST(Allocator, TrimGivesCachedBlocksBackAndKeepsActiveOnes) {
  Counted c;
  void* a = c.allocator.allocate(1024);
  c.allocator.deallocate(c.allocator.allocate(4096), 4096);
  c.allocator.trim();
  EXPECT_EQ(c.held, 1024u);
  EXPECT_EQ(c.allocator.statistics().cached, 0u);
  EXPECT_EQ(c.allocator.statistics().active, 1024u);
  c.allocator.deallocate(a, 1024);
}

TEST(Allocator, TheCacheIsGivenBackBeforeMemoryRunsOut) {
  Counted c(8192);
  c.allocator.deallocate(c.allocator.allocate(4096), 4096);
  void* large = c.allocator.allocate(8192);  // fits only without the cached block
  EXPECT_EQ(c.held, 8192u);
  EXPECT_EQ(c.allocator.statistics().cached, 0u);
  try {
    c.allocator.allocate(1);
    FAIL() << "there was no memory left";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    EXPECT_NE(std::string(e.what()).find("cannot allocate 1 bytes; 8192 are in use"),
              std::string::npos)
        << e.what();
  }
  EXPECT_EQ(c.allocator.statistics().active, 8192u) << "a failed request counts nothing";
  c.allocator.deallocate(large, 8192);
}

TEST(Allocator, DestructionReleasesTheCache) {
  std::size_t held = 0;
  {
    CachingAllocator a(std::make_unique<CountedSource>(&held, 1 << 20));
    a.deallocate(a.allocate(1000), 1000);
    EXPECT_GT(held, 0u);
  }
  EXPECT_EQ(held, 0u);
}

TEST(Allocator, EmptyRequestsGiveDistinctPointers) {
  Counted c;
  void *a = c.allocator.allocate(0), *b = c.allocator.allocate(0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  c.allocator.deallocate(a, 0);
  c.allocator.deallocate(b, 0);
}

TEST(Allocator, ThreadsShareIt) {
  Counted c;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&c, t] {
        for (std::size_t i = 0; i < 2000; ++i) {
          const std::size_t bytes = 64 + i % 700;
          auto* p = static_cast<unsigned char*>(c.allocator.allocate(bytes));
          std::memset(p, t, bytes);
          for (std::size_t j = 0; j < bytes; j += 63) ASSERT_EQ(p[j], t);
          c.allocator.deallocate(p, bytes);
        }
      });
    }
  }
  EXPECT_EQ(c.allocator.statistics().active, 0u);
  EXPECT_EQ(c.allocator.statistics().allocations, 8000u);
}

TEST(Allocator, ExactBlocksAreAsLargeAsAskedForAndGoBackAtOnce) {
  Counted c(1000, AllocatorMode::Exact);
  void* block = c.allocator.allocate(777);
  EXPECT_EQ(c.held, 777u);
  EXPECT_EQ(c.allocator.statistics().active, 777u);
  c.allocator.deallocate(block, 777);
  EXPECT_EQ(c.held, 0u);
  EXPECT_EQ(c.allocator.statistics().active, 0u);
  EXPECT_EQ(c.allocator.statistics().cached, 0u);
  EXPECT_EQ(c.allocator.statistics().peak, 777u);
  void *a = c.allocator.allocate(0), *b = c.allocator.allocate(0);
  EXPECT_NE(a, b);
  EXPECT_EQ(c.held, 2u) << "a valid pointer needs a byte";
  c.allocator.deallocate(a, 0);
  c.allocator.deallocate(b, 0);
  EXPECT_EQ(c.allocator.statistics().driver_calls, 3u);
}

TEST(Allocator, ThereIsOneForTheCpu) {
  EXPECT_EQ(&allocator(Device{}), &allocator(Device{}));
}

TEST(Allocator, ADeviceThatIsNotThereIsAnError) {
  const Device device{.type = DeviceType::Cuda, .index = 100};
  try {
    allocator(device);
    FAIL() << "there is no such device";
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_EQ(what.rfind("[allocator] ", 0), 0u) << what;
    EXPECT_NE(what.find("cuda:100"), std::string::npos) << what;
  }
}

class GpuAllocator : public ::testing::Test {
 protected:
  void SetUp() override {
    KRAIT_SKIP_WITHOUT_GPU();
    gpu_ = &allocator(testing::kGpu);
    gpu_->trim();
    gpu_->reset_peak();
    before_ = gpu_->statistics();
  }
  CachingAllocator* gpu_ = nullptr;
  AllocatorStatistics before_;
};

TEST_F(GpuAllocator, BlocksAreReusedWithoutTheDriver) {
  void* first = gpu_->allocate(1 << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % CachingAllocator::kAlignment, 0u);
  gpu_->deallocate(first, 1 << 20);
  const std::uint64_t calls = gpu_->statistics().driver_calls;
  EXPECT_EQ(calls, before_.driver_calls + 1);
  for (int i = 0; i < 100; ++i) {
    void* again = gpu_->allocate((1 << 20) - 100);
    EXPECT_EQ(again, first);
    gpu_->deallocate(again, (1 << 20) - 100);
  }
  EXPECT_EQ(gpu_->statistics().driver_calls, calls);
}

TEST_F(GpuAllocator, PeakAndTrimFollowWhatIsHandedOut) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  void* a = gpu_->allocate(kBytes);
  void* b = gpu_->allocate(kBytes);
  EXPECT_EQ(gpu_->statistics().active, before_.active + 2 * kBytes);
  gpu_->deallocate(b, kBytes);
  EXPECT_EQ(gpu_->statistics().peak, before_.active + 2 * kBytes);
  EXPECT_EQ(gpu_->statistics().cached, kBytes);
  gpu_->trim();
  EXPECT_EQ(gpu_->statistics().cached, 0u);
  EXPECT_EQ(gpu_->statistics().active, before_.active + kBytes);
  gpu_->deallocate(a, kBytes);
}

TEST_F(GpuAllocator, MemoryThatIsNotThereIsAnErrorAndNothingMore) {
  constexpr std::size_t kBytes = std::size_t{1} << 60;
  try {
    gpu_->allocate(kBytes);
    FAIL() << "no GPU has an exabyte";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    EXPECT_NE(std::string(e.what()).find("cannot allocate 1152921504606846976 bytes"),
              std::string::npos)
        << e.what();
  }
  EXPECT_EQ(gpu_->statistics().active, before_.active);
  // and later calls do not find the driver's error again
  const Tensor t = Tensor::zeros({10}, DType::F32, testing::kGpu);
  EXPECT_EQ(t.to({}).data<float>()[9], 0);
}

TEST(ReservedBlocks, AreUsedAgainInsideAndByNobodyOutside) {
  Counted counted;
  CachingAllocator& a = counted.allocator;
  ReservedBlocks reserve(a);
  void* first = nullptr;
  {
    const ReservedBlocks::Scope scope(reserve);
    first = a.allocate(1000);
    a.deallocate(first, 1000);
    EXPECT_EQ(a.allocate(1000), first);
    a.deallocate(first, 1000);
  }
  void* outside = a.allocate(1000);
  EXPECT_NE(outside, first);
  a.deallocate(outside, 1000);
  {
    const ReservedBlocks::Scope scope(reserve);
    void* inside[] = {a.allocate(1000), a.allocate(1000)};
    EXPECT_EQ(inside[0], first);
    EXPECT_EQ(inside[1], outside) << "from the cache before the source";
    a.deallocate(inside[1], 1000);
    a.deallocate(inside[0], 1000);
  }
  const std::size_t held = counted.held;
  a.trim();
  EXPECT_EQ(counted.held, held) << "a trim leaves them alone";
}

TEST(ReservedBlocks, GoToTheCacheWithTheReserve) {
  Counted counted;
  CachingAllocator& a = counted.allocator;
  auto reserve = std::make_unique<ReservedBlocks>(a);
  void* kept = nullptr;
  {
    const ReservedBlocks::Scope scope(*reserve);
    kept = a.allocate(100);
    a.deallocate(a.allocate(5000), 5000);
  }
  reserve.reset();
  EXPECT_EQ(a.statistics().driver_calls, 2u);
  a.deallocate(a.allocate(5000), 5000);
  a.deallocate(kept, 100);
  EXPECT_EQ(a.allocate(100), kept);
  a.deallocate(kept, 100);
  EXPECT_EQ(a.statistics().driver_calls, 2u);
  EXPECT_EQ(a.statistics().active, 0u);
  a.trim();
  EXPECT_EQ(counted.held, 0u);
  EXPECT_EQ(a.statistics().cached, 0u);
}

TEST(ReservedBlocks, ConcernOneAllocatorAndOneThread) {
  Counted counted, other;
  ReservedBlocks reserve(counted.allocator);
  const ReservedBlocks::Scope scope(reserve);
  void* elsewhere = other.allocator.allocate(64);
  other.allocator.deallocate(elsewhere, 64);
  EXPECT_EQ(other.allocator.allocate(64), elsewhere);
  other.allocator.deallocate(elsewhere, 64);
  void* of_thread = nullptr;
  std::thread([&] {
    of_thread = counted.allocator.allocate(64);
    counted.allocator.deallocate(of_thread, 64);
  }).join();
  void* own = counted.allocator.allocate(64);
  EXPECT_EQ(own, of_thread) << "the thread's block went to the cache";
  counted.allocator.deallocate(own, 64);
}

TEST(ReservedBlocks, AreNotForAnAllocatorThatReusesNothing) {
  Counted counted(std::size_t{1} << 40, AllocatorMode::Exact);
  EXPECT_THROW(ReservedBlocks{counted.allocator}, Error);
}

}  // namespace
}  // namespace krait
