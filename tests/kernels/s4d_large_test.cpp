// Tensors of more than 2^31 elements, where offsets of 32 bits end. Made and filled on the GPU; the
// host checks windows of a few channels.
#include <gtest/gtest.h>

#include "kernels/copy.h"
#include "kernels/s4d.h"
#include "tests/kernels/large_tensors.h"
#include "tests/kernels/s4d_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace s4d_test;
using namespace testing;

constexpr std::int64_t kLength = (std::int64_t{1} << 20) + kLargeBlock, kChannels = 2048;
constexpr std::int64_t kWindow = 128;

/// The arrays of positions [begin, end) and 4 channels from `channel` on.
Arrays window_of(const S4dBackward& g, std::int64_t begin, std::int64_t end, std::int64_t channel) {
  const S4dForward& f = g.forward;
  const auto rows = [&](const Tensor& t) {
    return values(t.slice(1, begin, end).slice(2, channel, channel + 4));
  };
  const auto of_channels = [&](const Tensor& t) {
    return values(t.slice(0, channel, channel + 4));
  };
  return {{"u", rows(f.u)},
          {"z", rows(f.z)},
          {"dy", rows(g.dy)},
          {"dt", of_channels(f.dt)},
          {"A_real", of_channels(f.A_real)},
          {"C_real", of_channels(f.C_real)},
          {"D", of_channels(f.D)}};
}

/// y, du and dz of kWindow positions from `begin` on against the loop, which starts `before`
/// positions earlier and ends `after` positions later with states that the window does not
/// remember: a = e^-0.5.
void expect_window_of_the_loop(const S4dBackward& g, std::int64_t begin, std::int64_t channel) {
  SCOPED_TRACE(::testing::Message() << "position " << begin << ", channel " << channel);
  const std::int64_t before = std::min<std::int64_t>(begin, 256);
  const std::int64_t after = std::min<std::int64_t>(kLength - begin - kWindow, 256);
  const Case c{.l = before + kWindow + after, .d = 4, .n = 1, .complex = false};
  const Arrays want =
      naive_s4d<double>(c, window_of(g, begin - before, begin + kWindow + after, channel));
  const auto expect_near = [&](const char* name, const Tensor& t) {
    const std::vector<double>& all = want.at(name);
    const std::vector<double> middle(all.begin() + before * c.d,
                                     all.begin() + (before + kWindow) * c.d);
    const std::vector<double> got =
        values(t.slice(1, begin, begin + kWindow).slice(2, channel, channel + 4));
    EXPECT_LE(relative_error(got, middle), Allowed(DType::BF16, kActivations).of(name)) << name;
  };
  expect_near("y", g.forward.y);
  expect_near("du", g.du.tensor);
  expect_near("dz", g.dz.tensor);
}

TEST(GpuS4dLarge, OffsetsHave64Bits) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope device_scope(kGpu);
  const Shape rows{1, kLength, kChannels}, modes{kChannels, 1};
  const auto large = [&](std::uint32_t stream) { return large_tensor(rows, DType::BF16, stream); };
  S4dForward f{.u = large(1),
               .dt = empty({kChannels}, DType::F32),
               .A_real = empty(modes, DType::F32),
               .C_real = random_tensor(modes, DType::F32, 3),
               .D = random_tensor({kChannels}, DType::F32, 4),
               .z = large(5),
               .y = empty(rows, DType::BF16)};
  const std::int64_t chunk = s4d_chunk(kGpu);
  f.chunk_states = empty({1, (kLength + chunk - 1) / chunk, kChannels, 1}, DType::F32);
  fill({.y = f.dt, .value = 1}, current_context());
  fill({.y = f.A_real, .value = -0.5}, current_context());
  fill({.y = f.y, .value = std::nan("")}, current_context());
  s4d_forward(f, current_context());
  S4dBackward g{.forward = f, .dy = large(6)};
  g.du = {.tensor = empty(rows, DType::BF16), .mode = GradientMode::Overwrite};
  g.dz = {.tensor = empty(rows, DType::BF16), .mode = GradientMode::Overwrite};
  for (const Tensor& t : {g.du.tensor, g.dz.tensor}) {
    fill({.y = t, .value = std::nan("")}, current_context());
  }
  s4d_backward(g, current_context());
  for (const std::int64_t channel : {std::int64_t{0}, kChannels / 2, kChannels - 4}) {
    for (const std::int64_t begin : {std::int64_t{0}, kLength / 2, kLength - kWindow}) {
      expect_window_of_the_loop(g, begin, channel);
    }
  }
}

}  // namespace
}  // namespace krait
