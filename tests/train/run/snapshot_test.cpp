#include "train/run/snapshot.h"

#include <gtest/gtest.h>

#include "core/memory/allocator.h"
#include "tests/support/device.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using testing::test_device;

/// Large enough that a GPU still copies when the next work is submitted.
std::vector<NamedTensor> random_tensors(std::uint32_t stream) {
  std::vector<NamedTensor> tensors;
  for (const Shape& shape : {Shape{1 << 11, 1 << 10}, Shape{5}, Shape{0, 3}}) {
    const Tensor values = random_tensor(shape, stream, {}, DType::F32);
    tensors.push_back({"t" + std::to_string(tensors.size()), values.to(test_device())});
  }
  return tensors;
}

CheckpointTensors random_checkpoint() {
  return {.parameters = random_tensors(1),
          .first_moment = random_tensors(2),
          .second_moment = random_tensors(3),
          .average = random_tensors(4)};
}

std::vector<std::string> hashes(const CheckpointTensors& t) {
  return {tensor_hash(t.parameters), tensor_hash(t.first_moment), tensor_hash(t.second_moment),
          tensor_hash(t.average)};
}

DEVICE_TEST(Snapshot, KeepsTheValuesWhenTheTensorsChange) {
  const std::vector<std::string> before = hashes(random_checkpoint());
  for (int round = 0; round < 3; ++round) {  // the memory is used again
    const CheckpointTensors tensors = random_checkpoint();
    const Snapshot snapshot = take_snapshot(tensors);
    for (const auto& some :
         {tensors.parameters, tensors.first_moment, tensors.second_moment, tensors.average}) {
      for (const NamedTensor& t : some) t.tensor.zero();
    }
    EXPECT_EQ(hashes(snapshot.tensors()), before);
    EXPECT_NE(hashes(tensors), before);
    for (const NamedTensor& t : snapshot.tensors().average) {
      EXPECT_FALSE(t.tensor.device().is_cuda());
    }
  }
}

DEVICE_TEST(Snapshot, TakesTheValuesOfWorkThatWasSubmittedBefore) {
  const Tensor source = random_tensor({1 << 20}, 5, {}, DType::F32);
  for (int round = 0; round < 3; ++round) {
    const Tensor t = Tensor::zeros({1 << 20}, DType::F32, test_device());
    for (int i = 0; i < 20; ++i) t.zero();
    const CheckpointTensors tensors{.parameters = {{"w", source.to(test_device())}}};
    EXPECT_EQ(tensor_hash(take_snapshot(tensors).tensors().parameters),
              tensor_hash({{"w", source}}));
  }
}

DEVICE_TEST(Snapshot, MemoryOfASnapshotThatIsGoneServesTheNextOne) {
  CachingAllocator& host = testing::on_gpu() ? pinned_allocator() : allocator({});
  const CheckpointTensors tensors = random_checkpoint();
  take_snapshot(tensors);  // dropped while it may still be copied
  const AllocatorStatistics before = host.statistics();
  take_snapshot(tensors).tensors();
  EXPECT_EQ(host.statistics().driver_calls, before.driver_calls);
  EXPECT_EQ(host.statistics().active, before.active);
  EXPECT_GT(host.statistics().allocations, before.allocations);
}

DEVICE_TEST(Snapshot, OfNothingIsEmpty) {
  EXPECT_TRUE(take_snapshot({}).tensors().parameters.empty());
}

DEVICE_TEST(Snapshot, RefusesTensorsWithGaps) {
  const Tensor t = Tensor::zeros({4, 4}, DType::F32, test_device());
  expect_error(ErrorKind::Contract, {"contiguous"}, [&] {
    take_snapshot({.parameters = {{"w", t.transpose(0, 1)}}});
  });
}

TEST(GpuSnapshot, RefusesTensorsOfTwoDevices) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor here = Tensor::zeros({4}, DType::F32);
  expect_error(ErrorKind::Contract, {"one device", "'m'"}, [&] {
    take_snapshot({.parameters = {{"w", here}}, .first_moment = {{"m", here.to(testing::kGpu)}}});
  });
}

}  // namespace
}  // namespace krait
