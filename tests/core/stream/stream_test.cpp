#include "core/stream/stream.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/tensor/tensor.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using testing::kGpu;

TEST(Stream, TheCpuHasAnEmptyOneOnWhichEverythingHasHappened) {
  EXPECT_EQ(device_stream({}).handle, nullptr);
  synchronize({});
  Event event({});
  event.record({});
  event.block({});
  event.synchronize();
  EXPECT_TRUE(event.happened());
  Event timed({}, true);
  EXPECT_THROW(timed.milliseconds_since(event), Error);
}

TEST(Stream, ADeviceThatIsNotThereIsAnError) {
  const Device missing{.type = DeviceType::Cuda, .index = 100};
  EXPECT_THROW(device_stream(missing), Error);
  EXPECT_THROW(synchronize(missing), Error);
  EXPECT_THROW(Event{missing}, Error);
  EXPECT_THROW(execution_context(missing), Error);
}

TEST(GpuStream, EachKindHasOneOfItsOwnThatThreadsShare) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Stream compute = device_stream(kGpu), copy = device_stream(kGpu, StreamKind::Copy),
               communication = device_stream(kGpu, StreamKind::Communication);
  EXPECT_NE(compute.handle, nullptr);
  EXPECT_NE(compute.handle, copy.handle);
  EXPECT_NE(compute.handle, communication.handle);
  EXPECT_NE(copy.handle, communication.handle);
  EXPECT_EQ(execution_context(kGpu).stream.handle, compute.handle);
  void* elsewhere = nullptr;
  std::jthread([&] { elsewhere = device_stream(kGpu).handle; }).join();
  EXPECT_EQ(elsewhere, compute.handle);
}

TEST(GpuStream, AnEventHappensWhenTheWorkBeforeItIsDone) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = Tensor::empty({std::int64_t{1} << 28}, DType::F32, kGpu);
  const Stream stream = device_stream(kGpu);
  Event event(kGpu);
  EXPECT_TRUE(event.happened()) << "nothing was recorded";
  for (int i = 0; i < 20; ++i) t.zero();
  event.record(stream);
  event.synchronize();
  EXPECT_TRUE(event.happened());
  t.zero();
  event.record(stream);  // again
  synchronize(kGpu);
  EXPECT_TRUE(event.happened());
}

TEST(GpuStream, EventsMeasureTheWorkBetweenThem) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = Tensor::zeros({std::int64_t{1} << 28}, DType::F32, kGpu);  // 1 GiB
  const Stream stream = device_stream(kGpu);
  Event start(kGpu, true), middle(kGpu, true), end(kGpu, true);
  double one = 1e9, ten = 1e9;  // the best of some: other processes may use the GPU, too
  for (int trial = 0; trial < 20; ++trial) {
    start.record(stream);
    t.zero();
    middle.record(stream);
    for (int i = 0; i < 10; ++i) t.zero();
    end.record(stream);
    end.synchronize();
    const double first = middle.milliseconds_since(start), rest = end.milliseconds_since(middle);
    EXPECT_NEAR(end.milliseconds_since(start), first + rest, 0.1 + 0.01 * (first + rest));
    one = std::min(one, first);
    ten = std::min(ten, rest);
  }
  EXPECT_GT(one, 0.02) << "over 50 TB/s";
  EXPECT_LT(one, 100) << "below 10 GB/s";
  EXPECT_GT(ten, 3 * one) << "ten times the work";
  Event plain(kGpu);
  plain.record(stream);
  plain.synchronize();
  EXPECT_THROW(plain.milliseconds_since(start), Error) << "it was not timed";
  t.zero();  // the error above is gone
  synchronize(kGpu);
}

TEST(GpuStream, AStreamThatIsBlockedWaitsForTheEvent) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Tensor t = Tensor::empty({std::int64_t{1} << 28}, DType::F32, kGpu);
  const Stream compute = device_stream(kGpu), copy = device_stream(kGpu, StreamKind::Copy);
  Event start(kGpu, true), done(kGpu, true), after(kGpu, true);
  start.record(compute);
  for (int i = 0; i < 20; ++i) t.zero();
  done.record(compute);
  done.block(copy);
  after.record(copy);
  after.synchronize();
  EXPECT_TRUE(done.happened()) << "the copy stream went past the event";
  EXPECT_GE(after.milliseconds_since(done), 0);
  EXPECT_GT(done.milliseconds_since(start), 0);
}

TEST(GpuStream, ATestsDeviceIsTheCurrentOneOfItsThread) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(kGpu);
  EXPECT_EQ(current_context().device, kGpu);
  EXPECT_EQ(current_context().stream.handle, device_stream(kGpu).handle);
}

}  // namespace
}  // namespace krait
