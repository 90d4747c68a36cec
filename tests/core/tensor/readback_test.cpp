#include "core/tensor/readback.h"

#include <vector>

#include <gtest/gtest.h>

#include "core/memory/allocator.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using testing::test_device;

DEVICE_TEST(CopyToHost, HasTheValuesOnceTheStreamIsDone) {
  const Tensor t = Tensor::from<float>({2, 2}, {1, 2, 3, 4}).to(test_device());
  CachingAllocator& host = testing::on_gpu() ? pinned_allocator() : allocator({});
  const std::uint64_t before = host.statistics().allocations;
  const Tensor whole = copy_to_host(t, device_stream(test_device()));
  const Tensor row = copy_to_host(t.slice(0, 1, 2), device_stream(test_device()));
  t.zero();
  synchronize(test_device());
  EXPECT_EQ(host.statistics().allocations, before + 2);
  EXPECT_EQ(whole.shape(), (Shape{2, 2}));
  const auto a = whole.span<float>(), b = row.span<float>();
  EXPECT_EQ(std::vector(a.begin(), a.end()), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(std::vector(b.begin(), b.end()), (std::vector<float>{3, 4}));
}

DEVICE_TEST(CopyToHost, RefusesATensorWithGaps) {
  const Tensor t = Tensor::zeros({2, 2}, DType::F32, test_device());
  EXPECT_THROW(copy_to_host(t.transpose(0, 1), device_stream(test_device())), Error);
  EXPECT_THROW(copy_to_host({}, {}), Error);
}

DEVICE_TEST(Readback, GivesTheValuesOfTheMomentThatItWasStartedAt) {
  Readback first(test_device(), 64), second(test_device(), 64);
  for (float round = 1; round < 4; ++round) {  // the memory is used again
    const Tensor t = Tensor::from<float>({3}, {round, 2, 3}).to(test_device());
    first.start(t.slice(0, 0, 2));
    t.zero();
    second.start(t);
    const Tensor before = first.wait(), after = second.wait();
    EXPECT_EQ(before.shape(), (Shape{2}));
    EXPECT_EQ(before.data<float>()[0], round);
    EXPECT_EQ(before.data<float>()[1], 2);
    EXPECT_EQ(after.data<float>()[2], 0);
  }
}

DEVICE_TEST(Readback, RefusesWhatIsTooLargeOrASecondCopy) {
  Readback readback(test_device(), 8);
  EXPECT_THROW(readback.wait(), Error);
  EXPECT_THROW(readback.start(Tensor::zeros({3}, DType::F32, test_device())), Error);
  const Tensor t = Tensor::zeros({2}, DType::F32, test_device());
  readback.start(t);
  EXPECT_THROW(readback.start(t), Error);
  readback.wait();
  readback.start(t);  // ended by the destructor
}

TEST(GpuReadback, RefusesATensorOfTheHost) {
  KRAIT_SKIP_WITHOUT_GPU();
  Readback readback(testing::kGpu, 8);
  EXPECT_THROW(readback.start(Tensor::zeros({1}, DType::F32)), Error);
}

}  // namespace
}  // namespace krait
