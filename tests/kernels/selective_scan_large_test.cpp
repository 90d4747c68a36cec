// Tensors of more than 2^31 elements, where offsets of 32 bits end. Made and filled on the GPU; the
// host checks windows of a few channels.
#include <gtest/gtest.h>

#include "kernels/copy.h"
#include "kernels/selective_scan.h"
#include "tests/kernels/large_tensors.h"
#include "tests/kernels/selective_scan_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace scan_test;
using namespace testing;

constexpr std::int64_t kLength = (std::int64_t{1} << 20) + kLargeBlock, kChannels = 2048;

/// y of the positions [begin, begin + length) and the channels from `channel` on against the loop
/// over the positions from `warm_up` before them, whose unknown state is forgotten by then: dt A is
/// below -0.3 on average.
void expect_window_of_the_loop(const SelectiveScanForward& f, std::int64_t begin,
                               std::int64_t warm_up, std::int64_t channel) {
  SCOPED_TRACE(::testing::Message() << "position " << begin << ", channel " << channel);
  const Case c{.l = 128 + warm_up, .d = 4, .n = 1, .bias = false};
  const auto rows = [&](const Tensor& t) { return t.slice(1, begin - warm_up, begin + 128); };
  const auto window = [&](const Tensor& t) {
    return values(rows(t).slice(2, channel, channel + c.d));
  };
  const auto parameters = [&](const Tensor& t) {
    return values(t.slice(0, channel, channel + c.d));
  };
  const Arrays in = {{"u", window(f.u)},       {"delta", window(f.delta)}, {"z", window(f.z)},
                     {"A", parameters(f.A)},   {"D", parameters(f.D)},     {"B", values(rows(f.B))},
                     {"C", values(rows(f.C))}, {"dy", window(f.u)}};  // dy: not asked for
  const Arrays want = naive_scan<double>(c, in);
  const auto behind_warm_up = [&](const std::vector<double>& v) {
    return std::vector<double>(v.begin() + warm_up * c.d, v.end());
  };
  EXPECT_LE(relative_error(behind_warm_up(window(f.y)), behind_warm_up(want.at("y"))),
            Allowed(DType::BF16, kActivations).of("y"));
  if (begin + 128 == f.u.size(1)) {
    const Tensor last = f.final_state.slice(1, channel, channel + c.d);
    EXPECT_LE(relative_error(values(last), want.at("final_state")), kF32Tolerance.output);
  }
}

TEST(GpuSelectiveScanLarge, OffsetsHave64Bits) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope device_scope(kGpu);
  const Shape rows{1, kLength, kChannels}, groups{1, kLength, 1, 1};
  const auto bf16 = [](const Shape& shape, std::uint32_t stream) {
    return large_tensor(shape, DType::BF16, stream);
  };
  SelectiveScanForward f{.u = bf16(rows, 1),
                         .delta = bf16(rows, 2),
                         .A = empty({kChannels, 1}, DType::F32),
                         .B = bf16(groups, 3),
                         .C = bf16(groups, 4),
                         .D = random_tensor({kChannels}, DType::F32, 5),
                         .z = bf16(rows, 6),
                         .y = empty(rows, DType::BF16),
                         .final_state = empty({1, kChannels, 1}, DType::F32)};
  const std::int64_t chunk = selective_scan_chunk(kGpu);
  f.chunk_states = empty({1, (kLength + chunk - 1) / chunk, kChannels, 1}, DType::F32);
  fill({.y = f.A, .value = -0.5}, current_context());
  fill({.y = f.y, .value = std::nan("")}, current_context());
  selective_scan_forward(f, current_context());
  for (const std::int64_t channel : {std::int64_t{0}, kChannels / 2, kChannels - 4}) {
    expect_window_of_the_loop(f, 0, 0, channel);
    expect_window_of_the_loop(f, kLength / 2, 256, channel);
    expect_window_of_the_loop(f, kLength - 128, 256, channel);
  }
}

}  // namespace
}  // namespace krait
