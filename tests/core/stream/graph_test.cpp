#include "core/stream/graph.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/memory/memory.h"
#include "core/tensor/tensor.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using testing::test_device;
using Values = std::vector<std::int32_t>;

Tensor here(const Values& values) {
  return Tensor::from<std::int32_t>({static_cast<std::int64_t>(values.size())},
                                    std::span<const std::int32_t>(values))
      .to(test_device());
}
Values values_of(const Tensor& t) {
  const Tensor host = t.to({});
  const auto values = host.span<std::int32_t>();
  return {values.begin(), values.end()};
}
void copy_bytes(const Tensor& from, const Tensor& to) {
  copy_memory({to.data<std::int32_t>(), to.device()}, {from.data<std::int32_t>(), from.device()},
              from.bytes());
}

DEVICE_TEST(Graph, ReplayDoesTheWorkAgainOnWhatIsThereThen) {
  const Tensor in = here({1, 2, 3}), out = here({0, 0, 0});
  Graph graph([&] {
    const Tensor through = Tensor::empty({3}, DType::I32, test_device());
    copy_bytes(in, through);
    copy_bytes(through, out);
  });
  EXPECT_EQ(values_of(out), (Values{1, 2, 3})) << "recording does it once";
  for (std::int32_t i = 0; i < 3; ++i) {
    copy_bytes(here({i, i + 1, 7}), in);
    EXPECT_NE(values_of(out), (Values{i, i + 1, 7}));
    graph.replay();
    EXPECT_EQ(values_of(out), (Values{i, i + 1, 7}));
  }
}

DEVICE_TEST(Graph, ItsMemoryIsNobodyElsesUntilItGoes) {
  const Tensor out = here({0, 0, 0, 0});
  CachingAllocator& memory = allocator(test_device());
  {
    Graph graph([&] {
      const Tensor zeros = Tensor::zeros({4}, DType::I32, test_device());
      copy_bytes(zeros, out);
    });
    // as large as what was recorded, and allocated after it was given back
    const Tensor other = Tensor::empty({4}, DType::I32, test_device());
    copy_bytes(here({5, 6, 7, 8}), other);
    graph.replay();
    EXPECT_EQ(values_of(out), (Values{0, 0, 0, 0}));
    EXPECT_EQ(values_of(other), (Values{5, 6, 7, 8}));
  }
  const std::uint64_t before = memory.statistics().driver_calls;
  const Tensor again = Tensor::empty({4}, DType::I32, test_device());
  EXPECT_EQ(memory.statistics().driver_calls, before) << "the cache has its block back";
}

TEST(GpuGraph, WorkThatWaitsForTheDeviceIsAnErrorAndLeavesItUsable) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  if (allocator(testing::kGpu).mode() == AllocatorMode::Exact) {
    GTEST_SKIP() << "nothing is recorded where no memory is reused";
  }
  const Tensor t = here({1, 2});
  EXPECT_THROW(Graph([&] { values_of(t); }), Error);
  EXPECT_EQ(values_of(t), (Values{1, 2}));
}

}  // namespace
}  // namespace krait
