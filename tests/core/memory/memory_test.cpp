#include "core/memory/memory.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "core/stream/stream.h"
#include "core/tensor/tensor.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using testing::kGpu;

constexpr std::size_t kSlot = std::size_t{4} << 20;  // of the pinned buffers that copies pass

std::vector<std::uint8_t> random_bytes(std::size_t count, std::uint32_t stream) {
  const RandomStream random{.seed = 3, .stream = stream};
  std::vector<std::uint8_t> out(count);
  for (std::size_t i = 0; i < count; i += 8) {
    std::uint64_t bits = random.bits64(i);
    for (std::size_t j = i; j < std::min(i + 8, count); ++j, bits >>= 8) {
      out[j] = static_cast<std::uint8_t>(bits);
    }
  }
  return out;
}

Tensor bytes_on_gpu(std::size_t count) {
  return Tensor::empty({static_cast<std::int64_t>(count)}, DType::U8, kGpu);
}
MemoryTarget to(const Tensor& t) {
  return {.to = t.storage()->data(), .device = t.device()};
}
MemoryOrigin from(const Tensor& t) {
  return {.from = t.storage()->data(), .device = t.device()};
}

TEST(Memory, CopiesAndClearsOnTheHost) {
  const std::vector<std::uint8_t> source = random_bytes(1001, 1);
  std::vector<std::uint8_t> target(1002, 7);
  copy_memory({.to = target.data(), .device = {}}, {.from = source.data(), .device = {}}, 1001);
  EXPECT_TRUE(std::equal(source.begin(), source.end(), target.begin()));
  EXPECT_EQ(target[1001], 7);
  zero_memory({.to = target.data(), .device = {}}, 1000);
  EXPECT_EQ(target[999], 0);
  EXPECT_EQ(target[1000], source[1000]);
  copy_memory({}, {}, 0);  // nothing to or from nowhere
  zero_memory({}, 0);
}

TEST(GpuMemory, BytesComeBackAsTheyWent) {
  KRAIT_SKIP_WITHOUT_GPU();
  std::uint32_t stream = 0;
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{4097}, kSlot - 1,
                                  kSlot, kSlot + 1, 3 * kSlot, 4 * kSlot, 9 * kSlot + 5}) {
    const std::vector<std::uint8_t> source = random_bytes(count, ++stream);
    const Tensor gpu = bytes_on_gpu(count + 1);
    zero_memory(to(gpu), count + 1);
    copy_memory(to(gpu), {.from = source.data(), .device = {}}, count);
    std::vector<std::uint8_t> back(count + 1, 7);
    copy_memory({.to = back.data(), .device = {}}, from(gpu), count);
    EXPECT_TRUE(std::equal(source.begin(), source.end(), back.begin())) << count << " bytes";
    EXPECT_EQ(back[count], 7) << "a byte too many came back: " << count;
    copy_memory({.to = back.data(), .device = {}}, from(gpu), count + 1);
    EXPECT_EQ(back[count], 0) << "a byte too many went: " << count;
  }
}

TEST(GpuMemory, TheSourceMayChangeAsSoonAsACopyReturns) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::size_t count = 6 * kSlot + 3;  // more than the slots hold
  const std::vector<std::uint8_t> expected = random_bytes(count, 1);
  std::vector<std::uint8_t> source = expected, back(count);
  const Tensor gpu = bytes_on_gpu(count);
  copy_memory(to(gpu), {.from = source.data(), .device = {}}, count);
  std::fill(source.begin(), source.end(), std::uint8_t{0});
  copy_memory({.to = back.data(), .device = {}}, from(gpu), count);
  EXPECT_TRUE(back == expected);
}

TEST(GpuMemory, WorkOnAGpuHappensInTheOrderOfItsCalls) {
  KRAIT_SKIP_WITHOUT_GPU();
  const std::size_t count = std::size_t{64} << 20;
  const std::vector<std::uint8_t> first = random_bytes(1000, 1), second = random_bytes(1000, 2);
  const Tensor a = bytes_on_gpu(count), b = bytes_on_gpu(count);
  std::vector<std::uint8_t> back(1000);
  for (int i = 0; i < 20; ++i) {
    copy_memory(to(a), {.from = first.data(), .device = {}}, 1000);
    copy_memory(to(b), from(a), count);
    copy_memory(to(a), {.from = second.data(), .device = {}}, 1000);
    copy_memory({.to = back.data(), .device = {}}, from(b), 1000);
    EXPECT_TRUE(back == first);
    zero_memory(to(b), count);
    copy_memory({.to = back.data(), .device = {}}, from(b), 1000);
    EXPECT_TRUE(back == std::vector<std::uint8_t>(1000));
    copy_memory({.to = back.data(), .device = {}}, from(a), 1000);
    EXPECT_TRUE(back == second);
  }
}

TEST(GpuMemory, ThreadsCopyAtTheSameTime) {
  KRAIT_SKIP_WITHOUT_GPU();
  std::vector<std::jthread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const std::size_t count = kSlot + 1000 * t;
      const std::vector<std::uint8_t> source = random_bytes(count, t);
      const Tensor gpu = bytes_on_gpu(count);
      for (int i = 0; i < 5; ++i) {
        std::vector<std::uint8_t> back(count);
        copy_memory(to(gpu), {.from = source.data(), .device = {}}, count);
        copy_memory({.to = back.data(), .device = {}}, from(gpu), count);
        EXPECT_TRUE(back == source);
      }
    });
  }
}

TEST(GpuMemory, CopiesBetweenGpusFollowTheWorkOnBoth) {
  if (cuda_device_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const Device other{.type = DeviceType::Cuda, .index = 1};
  const std::size_t count = std::size_t{256} << 20;
  const std::vector<std::uint8_t> source = random_bytes(1000, 1);
  const Tensor a = bytes_on_gpu(count);
  zero_memory(to(a), count);
  copy_memory(to(a), {.from = source.data(), .device = {}}, 1000);
  const Tensor b = a.to(other);
  zero_memory(to(a), count);  // after the copy has read it
  std::vector<std::uint8_t> back(1000);
  copy_memory({.to = back.data(), .device = {}}, from(b), 1000);
  EXPECT_TRUE(back == source);
}

}  // namespace
}  // namespace krait
