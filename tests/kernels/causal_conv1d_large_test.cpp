// Tensors of more than 2^31 elements, where offsets of 32 bits end. Made and filled on the GPU; the
// host checks windows of a few channels.
#include <gtest/gtest.h>

#include "kernels/causal_conv1d.h"
#include "kernels/copy.h"
#include "tests/kernels/causal_conv1d_oracle.h"
#include "tests/kernels/large_tensors.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace conv_test;
using namespace testing;

constexpr std::int64_t kLength = (std::int64_t{1} << 20) + kLargeBlock, kChannels = 2048;
constexpr std::int64_t kWidth = 4, kWindowChannels = 4;

/// The loop over positions [begin, end) of the channels from `channel` on, without states.
Arrays loop_over(const CausalConv1dBackward& g, std::int64_t begin, std::int64_t end,
                 std::int64_t channel) {
  const auto window = [&](const Tensor& t) {
    return values(t.slice(1, begin, end).slice(2, channel, channel + kWindowChannels));
  };
  const auto parameters = [&](const Tensor& t) {
    return values(t.slice(0, channel, channel + kWindowChannels));
  };
  return naive_conv<double>({.l = end - begin, .d = kWindowChannels, .w = kWidth},
                            {{"x", window(g.forward.x)},
                             {"dy", window(g.dy)},
                             {"weight", parameters(g.forward.weight)},
                             {"bias", parameters(g.forward.bias)}});
}

/// y and dx of the positions [begin, end), without those at the ends that see further.
void expect_window_of_the_loop(const CausalConv1dBackward& g, std::int64_t begin, std::int64_t end,
                               std::int64_t channel) {
  SCOPED_TRACE(::testing::Message() << "position " << begin << ", channel " << channel);
  const Arrays want = loop_over(g, begin, end, channel);
  const Allowed allowed(DType::BF16, kActivations);
  const std::int64_t first = begin == 0 ? 0 : kWidth, last = end == kLength ? end : end - kWidth;
  const auto expect = [&](const char* name, const Tensor& got) {
    const std::vector<double> all = want.at(name);
    const auto row = [&](std::int64_t t) { return all.begin() + (t - begin) * kWindowChannels; };
    const std::vector<double> inner(row(begin + first), row(last));
    const Tensor rows = got.slice(1, begin + first, last);
    const Tensor window = rows.slice(2, channel, channel + kWindowChannels);
    EXPECT_LE(relative_error(values(window), inner), allowed.of(name)) << name;
  };
  expect("y", g.forward.y);
  expect("dx", g.dx.tensor);
}

/// dweight and dbias are those of the first and last blocks, and of the middle ones, which are all
/// alike: what a third block adds to two.
void expect_sums(const CausalConv1dBackward& g, std::int64_t channel) {
  SCOPED_TRACE(::testing::Message() << "channel " << channel);
  // positions 0 and on are followed by the last block here
  const auto blocks_then_end = [&](std::int64_t blocks) {
    const auto joined = [&](const Tensor& t) {
      const Tensor columns = t.slice(2, channel, channel + kWindowChannels);
      std::vector<double> v = values(columns.slice(1, 0, blocks * kLargeBlock));
      const std::vector<double> end = values(columns.slice(1, kLength - kLargeBlock, kLength));
      v.insert(v.end(), end.begin(), end.end());
      return v;
    };
    const auto parameters = [&](const Tensor& t) {
      return values(t.slice(0, channel, channel + kWindowChannels));
    };
    return naive_conv<double>({.l = (blocks + 1) * kLargeBlock, .d = kWindowChannels, .w = kWidth},
                              {{"x", joined(g.forward.x)},
                               {"dy", joined(g.dy)},
                               {"weight", parameters(g.forward.weight)},
                               {"bias", parameters(g.forward.bias)}});
  };
  const Arrays one = blocks_then_end(1), two = blocks_then_end(2);
  const double more = static_cast<double>(kLength / kLargeBlock - 2);
  const auto expect = [&](const char* name, const Tensor& got) {
    std::vector<double> want = one.at(name);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += more * (two.at(name)[i] - want[i]);
    EXPECT_LE(relative_error(values(got.slice(0, channel, channel + kWindowChannels)), want),
              kF32Tolerance.gradient)
        << name;
  };
  expect("dweight", g.dweight.tensor);
  expect("dbias", g.dbias.tensor);
}

TEST(GpuCausalConv1dLarge, OffsetsHave64Bits) {
  KRAIT_SKIP_WITHOUT_GPU();
  const TestDeviceScope device_scope(kGpu);
  const Shape rows{1, kLength, kChannels};
  const auto unwritten = [](const Shape& shape, DType t) {
    const Tensor made = empty(shape, t);
    fill({.y = made, .value = std::nan("")}, current_context());
    return made;
  };
  const CausalConv1dForward f{.x = large_tensor(rows, DType::BF16, 1),
                              .weight = random_tensor({kChannels, kWidth}, DType::F32, 2),
                              .bias = random_tensor({kChannels}, DType::F32, 3),
                              .y = unwritten(rows, DType::BF16)};
  causal_conv1d_forward(f, current_context());
  const auto wanted = [&](const Shape& shape, DType t) {
    return Gradient{.tensor = unwritten(shape, t), .mode = GradientMode::Overwrite};
  };
  const CausalConv1dBackward g{.forward = f,
                               .dy = large_tensor(rows, DType::BF16, 4),
                               .dx = wanted(rows, DType::BF16),
                               .dweight = wanted({kChannels, kWidth}, DType::F32),
                               .dbias = wanted({kChannels}, DType::F32)};
  causal_conv1d_backward(g, current_context());
  for (const std::int64_t channel : {std::int64_t{0}, kChannels / 2, kChannels - kWindowChannels}) {
    expect_window_of_the_loop(g, 0, 200, channel);
    expect_window_of_the_loop(g, kLength / 2, kLength / 2 + 200, channel);
    expect_window_of_the_loop(g, kLength - 200, kLength, channel);
    expect_sums(g, channel);
  }
}

}  // namespace
}  // namespace krait
