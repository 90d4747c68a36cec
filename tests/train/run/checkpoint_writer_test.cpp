#include "train/run/checkpoint_writer.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>

#include "core/memory/allocator.h"
#include "core/system/file.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

CheckpointTensors tensors(std::uint32_t stream) {
  const auto some = [&](std::uint32_t i) {
    return std::vector<NamedTensor>{
        {"backbone.norm_f.weight", random_tensor({64, 5}, 10 * stream + i, {}, DType::F32)}};
  };
  return {some(1), some(2), some(3), some(4)};
}

CheckpointState state(std::int64_t step) {
  return {.position = {.step = step},
          .config_yaml = "run: {directory: x}\n",
          .data_identity = "d",
          .tokenizer_identity = "{}",
          .vocab_size = 257};
}

void expect_holds(const fs::path& checkpoint, const CheckpointTensors& expected) {
  EXPECT_TRUE(verify_checkpoint(checkpoint).empty());
  const CheckpointTensors got = tensors(99);
  read_checkpoint_tensors(checkpoint, got);
  EXPECT_EQ(tensor_hash(got.parameters), tensor_hash(expected.parameters));
  EXPECT_EQ(tensor_hash(got.first_moment), tensor_hash(expected.first_moment));
  EXPECT_EQ(tensor_hash(got.second_moment), tensor_hash(expected.second_moment));
  EXPECT_EQ(tensor_hash(got.average), tensor_hash(expected.average));
}

class CheckpointWriterTest : public ::testing::Test {
 protected:
  fs::path root() const { return directory_ / "checkpoints"; }
  /// From now on saving fails: a file is where the directory has to be.
  void break_root() const {
    fs::rename(root(), directory_ / "away");
    std::ofstream(root()) << "a file";
  }
  void mend_root() const {
    fs::remove(root());
    fs::rename(directory_ / "away", root());
  }

  TemporaryDirectory directory_;
};

TEST_F(CheckpointWriterTest, WritesTheBytesOfSaveCheckpoint) {
  CheckpointWriter writer(root());
  EXPECT_EQ(writer.finish(), std::nullopt);
  writer.start(state(5), take_snapshot(tensors(1)));
  EXPECT_EQ(writer.finish(), root() / "step_00000005");
  const fs::path other = save_checkpoint(directory_ / "other", state(5), tensors(1));
  for (const auto& file : fs::directory_iterator(other)) {
    EXPECT_EQ(read_file(root() / "step_00000005" / file.path().filename()), read_file(file.path()));
  }
}

TEST_F(CheckpointWriterTest, SavesTheMomentOfTheSnapshot) {
  CheckpointWriter writer(root());
  for (std::uint32_t step = 1; step <= 5; ++step) {
    const CheckpointTensors now = tensors(step);
    writer.start(state(step), take_snapshot(now));
    now.parameters[0].tensor.zero();
    now.second_moment[0].tensor.zero();
  }
  writer.finish();
  for (std::uint32_t step = 1; step <= 5; ++step) {
    expect_holds(root() / ("step_0000000" + std::to_string(step)), tensors(step));
  }
}

TEST_F(CheckpointWriterTest, ASecondStartWaitsForTheFirstSave) {
  CheckpointWriter writer(root());
  std::promise<void> release;
  std::atomic<bool> second_started{false};
  writer.start(state(1), take_snapshot(tensors(1)),
               [&](const fs::path&) { release.get_future().wait(); });
  std::thread second([&] {
    writer.start(state(2), take_snapshot(tensors(2)));
    second_started = true;
  });
  while (!fs::exists(root() / "step_00000001")) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(second_started);
  EXPECT_EQ(std::distance(fs::directory_iterator(root()), fs::directory_iterator()), 1);
  release.set_value();
  second.join();
  EXPECT_TRUE(second_started);
  EXPECT_EQ(writer.finish(), root() / "step_00000002");
  expect_holds(root() / "step_00000001", tensors(1));
  expect_holds(root() / "step_00000002", tensors(2));
}

TEST_F(CheckpointWriterTest, WhatFollowsIsDoneWhenTheCheckpointIsInItsPlace) {
  CheckpointWriter writer(root());
  for (const std::int64_t step : {1, 2, 3}) {
    writer.start(state(step), take_snapshot(tensors(1)), [this, step](const fs::path& path) {
      EXPECT_EQ(newest_valid_checkpoint(root())->path, path);
      prune_checkpoints(root(), /*keep_last=*/1, /*keep_step=*/0);
    });
  }
  EXPECT_EQ(writer.finish(), root() / "step_00000003");
  EXPECT_EQ(list_checkpoints(root()).size(), 1u);
}

TEST_F(CheckpointWriterTest, AFailureComesOutAtTheNextCallAndOnce) {
  CheckpointWriter writer(root());
  writer.start(state(1), take_snapshot(tensors(1)));
  writer.finish();
  break_root();
  writer.start(state(2), take_snapshot(tensors(2)));
  expect_error(ErrorKind::MissingInput, {root().string()}, [&] { writer.finish(); });
  EXPECT_EQ(writer.finish(), root() / "step_00000001");
  writer.start(state(3), take_snapshot(tensors(3)));
  // start() too throws the failure of the save before, and begins nothing.
  expect_error(ErrorKind::MissingInput, {root().string()},
               [&] { writer.start(state(4), take_snapshot(tensors(4))); });
  mend_root();
  EXPECT_EQ(writer.finish(), root() / "step_00000001");
  EXPECT_EQ(list_checkpoints(root()).size(), 1u);
  writer.start(state(5), take_snapshot(tensors(5)));
  EXPECT_EQ(writer.finish(), root() / "step_00000005");
  expect_holds(root() / "step_00000005", tensors(5));
}

TEST_F(CheckpointWriterTest, AFailureOfWhatFollowsCounts) {
  CheckpointWriter writer(root());
  writer.start(state(1), take_snapshot(tensors(1)),
               [](const fs::path&) { throw Error(ErrorKind::Io, "the log is full"); });
  expect_error(ErrorKind::Io, {"the log is full"}, [&] { writer.finish(); });
  expect_holds(root() / "step_00000001", tensors(1));
}

TEST_F(CheckpointWriterTest, ItsDestructorWaitsAndDropsAFailure) {
  std::atomic<bool> done{false};
  {
    CheckpointWriter writer(root());
    writer.start(state(1), take_snapshot(tensors(1)), [&](const fs::path&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      done = true;
    });
  }
  EXPECT_TRUE(done);
  expect_holds(root() / "step_00000001", tensors(1));
  break_root();
  CheckpointWriter writer(root());
  writer.start(state(2), take_snapshot(tensors(2)));
}

TEST_F(CheckpointWriterTest, MemoryOfTheSnapshotGoesWithTheSave) {
  const std::size_t before = allocator({}).statistics().active;
  CheckpointWriter writer(root());
  writer.start(state(1), take_snapshot(tensors(1)));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (allocator({}).statistics().active > before &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(allocator({}).statistics().active, before);
}

// The new thread inherits the affinity.
TEST_F(CheckpointWriterTest, WorksWhenTheProcessHasOneCore) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  CheckpointWriter writer(root());
  for (std::uint32_t step = 1; step <= 4; ++step) {
    writer.start(state(step), take_snapshot(tensors(step)));
  }
  EXPECT_EQ(writer.finish(), root() / "step_00000004");
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  expect_holds(root() / "step_00000004", tensors(4));
}

}  // namespace
}  // namespace krait
