#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/device.h"
#include "tests/support/tensors.h"
#include "train/parallel/communicator.h"

namespace krait {
namespace {

using testing::tensor;
using testing::values;

DEVICE_TEST(SingleCommunicator, LeavesItsOwnValues) {
  const auto alone = make_single_communicator();
  EXPECT_EQ(alone->rank(), 0);
  EXPECT_EQ(alone->size(), 1);
  const std::vector<double> numbers{1.5, -2, 7};
  const Tensor whole = tensor({3}, DType::F32, numbers);
  const Tensor shard = testing::zeros({3}, DType::F32);
  alone->reduce_scatter(whole, shard);
  EXPECT_EQ(values(shard), numbers);
  const Tensor gathered = testing::zeros({3}, DType::F32);
  alone->all_gather(shard, gathered);
  EXPECT_EQ(values(gathered), numbers);
  alone->all_reduce(whole);
  alone->broadcast(whole, 0);
  alone->reduce_scatter(whole, whole);
  EXPECT_EQ(values(whole), numbers);
  EXPECT_EQ(alone->sum(-41), -41);
  EXPECT_TRUE(alone->any(true));
  EXPECT_FALSE(alone->any(false));
}

TEST(SingleCommunicator, RefusesShardsOfSeveralRanks) {
  const auto alone = make_single_communicator();
  EXPECT_THROW(
      alone->reduce_scatter(Tensor::zeros({4}, DType::F32), Tensor::zeros({2}, DType::F32)), Error);
  EXPECT_THROW(alone->all_gather(Tensor::zeros({2}, DType::F32), Tensor::zeros({4}, DType::F32)),
               Error);
  EXPECT_THROW(alone->broadcast(Tensor::zeros({4}, DType::F32), 1), Error);
}

}  // namespace
}  // namespace krait
