#include "core/tensor/readback.h"

#include <gtest/gtest.h>

#include "tests/support/device.h"

namespace krait {
namespace {

using testing::test_device;

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
