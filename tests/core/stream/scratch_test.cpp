#include "core/stream/scratch.h"

#include <gtest/gtest.h>

#include "tests/support/device.h"

namespace krait {
namespace {

TEST(Scratch, GivesItsMemoryBackWhenTheScopeEnds) {
  const std::size_t before = allocator(Device{}).statistics().active;
  double* first = nullptr;
  {
    const Scratch<double> s(1000, {});
    EXPECT_GE(allocator(Device{}).statistics().active, before + 8000);
    first = s.data();
    s[999] = 3;
    EXPECT_EQ(s.span()[999], 3);
    EXPECT_EQ(s.span().size(), 1000u);
  }
  EXPECT_EQ(allocator(Device{}).statistics().active, before);
  const std::uint64_t calls = allocator(Device{}).statistics().driver_calls;
  const Scratch<double> again(1000, {});
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(allocator(Device{}).statistics().driver_calls, calls);
}

TEST(GpuScratch, GivesItsMemoryBackToTheGpuWhenTheScopeEnds) {
  KRAIT_SKIP_WITHOUT_GPU();
  const ExecutionContext ctx = execution_context(testing::kGpu);
  const std::size_t before = allocator(testing::kGpu).statistics().active;
  const std::size_t on_host = allocator(Device{}).statistics().active;
  {
    const Scratch<double> s(1000, ctx);
    EXPECT_GE(allocator(testing::kGpu).statistics().active, before + 8000);
    EXPECT_EQ(allocator(Device{}).statistics().active, on_host);
  }
  EXPECT_EQ(allocator(testing::kGpu).statistics().active, before);
}

TEST(Scratch, NoElementsAreAllowed) {
  const Scratch<float> s(0, {});
  EXPECT_TRUE(s.span().empty());
}

}  // namespace
}  // namespace krait
