// What the scan refuses, and that the message says what is wrong.
#include <functional>

#include <gtest/gtest.h>

#include "kernels/selective_scan.h"
#include "tests/support/device.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

constexpr DType kF32 = DType::F32;

SelectiveScanForward valid_forward() {
  return {.u = Tensor::zeros({2, 5, 6}, kF32),
          .delta = Tensor::zeros({2, 5, 6}, kF32),
          .A = Tensor::zeros({6, 3}, kF32),
          .B = Tensor::zeros({2, 5, 2, 3}, kF32),
          .C = Tensor::zeros({2, 5, 2, 3}, kF32),
          .y = Tensor::zeros({2, 5, 6}, kF32)};
}

void expect_refusal(const std::function<void()>& call, const std::string& message) {
  try {
    call();
    ADD_FAILURE() << "not refused: " << message;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Contract);
    EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
  }
}

void expect_forward_refusal(const std::function<void(SelectiveScanForward&)>& spoil,
                            const std::string& message) {
  SelectiveScanForward f = valid_forward();
  spoil(f);
  expect_refusal([&] { selective_scan_forward(f, {}); }, message);
}

TEST(SelectiveScanContract, ValidArgumentsPass) {
  EXPECT_NO_THROW(selective_scan_forward(valid_forward(), {}));
  EXPECT_NO_THROW(selective_scan_backward(
      {.forward = valid_forward(), .dy = Tensor::zeros({2, 5, 6}, kF32)}, {}));
}

TEST(SelectiveScanContract, WrongShapesAreNamed) {
  const auto zeros = [](const Shape& s) { return Tensor::zeros(s, kF32); };
  expect_forward_refusal([&](auto& f) { f.u = zeros({2, 5}); }, "u must have shape (b, l, d)");
  expect_forward_refusal([&](auto& f) { f.u = Tensor(); }, "u must be given");
  expect_forward_refusal([&](auto& f) { f.u = zeros({2, 0, 6}); }, "u must have sizes >= 1");
  expect_forward_refusal(
      [&](auto& f) {
        f.delta = zeros({2, 6, 5});
      },
      "delta must have shape (2, 5, 6), got (2, 6, 5)");
  expect_forward_refusal([&](auto& f) { f.A = zeros({5, 3}); }, "A must have shape (6, 3)");
  expect_forward_refusal([&](auto& f) { f.A = zeros({6, 257}); }, "1 to 256 states");
  expect_forward_refusal(
      [&](auto& f) {
        f.B = zeros({2, 5, 4, 3});
      },
      "got 4 groups and 6 channels");
  expect_forward_refusal(
      [&](auto& f) {
        f.C = zeros({2, 5, 1, 3});
      },
      "C must have shape (2, 5, 2, 3), got (2, 5, 1, 3)");
  expect_forward_refusal([&](auto& f) { f.D = zeros({5}); }, "D must have shape (6)");
  expect_forward_refusal([&](auto& f) { f.z = zeros({1, 5, 6}); }, "z must have shape");
  expect_forward_refusal([&](auto& f) { f.delta_bias = zeros({1}); }, "delta_bias must have shape");
  expect_forward_refusal(
      [&](auto& f) {
        f.initial_state = zeros({2, 3, 6});
      },
      "initial_state must have shape (2, 6, 3)");
  expect_forward_refusal(
      [&](auto& f) {
        f.final_state = zeros({2, 3, 6});
      },
      "final_state must have shape (2, 6, 3)");
  expect_forward_refusal(
      [&](auto& f) {
        f.chunk_states = zeros({2, 5, 6, 3});
      },
      "chunk_states must have shape (2, 1, 6, 3)");
  expect_forward_refusal([&](auto& f) { f.y = zeros({2, 5, 7}); }, "y must have shape (2, 5, 6)");
  expect_forward_refusal([&](auto& f) { f.y = Tensor(); }, "y must be given");
}

TEST(SelectiveScanContract, WrongTypesAndStridesAreNamed) {
  expect_forward_refusal(
      [](auto& f) {
        f.u = Tensor::zeros({2, 5, 6}, DType::BF16);
      },
      "u must be f32 or f64, got bf16");
  expect_forward_refusal(
      [](auto& f) {
        f.delta = Tensor::zeros({2, 5, 6}, DType::F64);
      },
      "delta must be f32, got f64");
  expect_forward_refusal(
      [](auto& f) {
        f.sequence_ids = Tensor::zeros({2, 5}, DType::I64);
      },
      "sequence_ids must be i32, got i64");
  expect_forward_refusal(
      [](auto& f) {
        f.z = Tensor::zeros({2, 6, 5}, kF32).transpose(1, 2);
      },
      "z must be dense in its last dimension");
  expect_forward_refusal(
      [](auto& f) {
        f.A = Tensor::zeros({6, 4}, kF32).slice(1, 0, 3);
      },
      "A must be contiguous");
}

TEST(SelectiveScanContract, GradientsNeedTheirInputsAndShapes) {
  SelectiveScanBackward valid{.forward = valid_forward(), .dy = Tensor::zeros({2, 5, 6}, kF32)};
  const auto refused = [&](const std::function<void(SelectiveScanBackward&)>& spoil,
                           const std::string& message) {
    SelectiveScanBackward b = valid;
    spoil(b);
    expect_refusal([&] { selective_scan_backward(b, {}); }, message);
  };
  const auto wanted = [](const Shape& s) {
    return Gradient{Tensor::zeros(s, kF32), GradientMode::Overwrite};
  };
  refused([](auto& b) { b.dy = Tensor(); }, "dy must be given");
  refused([&](auto& b) { b.dD = wanted({6}); }, "dD is wanted, but the input that it belongs to");
  refused([&](auto& b) { b.dz = wanted({2, 5, 6}); }, "dz is wanted");
  refused([&](auto& b) { b.dA = wanted({3, 6}); }, "dA must have shape (6, 3)");
  refused([](auto& b) { b.du.mode = GradientMode::Accumulate; }, "du must be given");
  refused(
      [](auto& b) {
        b.dfinal_state = Tensor::zeros({2, 3}, kF32);
      },
      "dfinal_state must have shape (2, 6, 3)");
}

/// bf16 for activations, f32 for what parametrises and for states.
SelectiveScanForward valid_mixed_forward() {
  const auto activations = [](const Shape& s) { return testing::zeros(s, DType::BF16); };
  return {.u = activations({2, 5, 6}),
          .delta = activations({2, 5, 6}),
          .A = testing::zeros({6, 3}, kF32),
          .B = activations({2, 5, 2, 3}),
          .C = activations({2, 5, 2, 3}),
          .D = testing::zeros({6}, kF32),
          .initial_state = testing::zeros({2, 6, 3}, kF32),
          .y = activations({2, 5, 6})};
}

TEST(GpuSelectiveScanContract, ParametersAndStatesAreF32BesideBf16) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope device_scope(testing::kGpu);
  EXPECT_NO_THROW(selective_scan_forward(valid_mixed_forward(), {}));
  const auto refused = [](const std::function<void(SelectiveScanForward&)>& spoil,
                          const std::string& message) {
    SelectiveScanForward f = valid_mixed_forward();
    spoil(f);
    expect_refusal([&] { selective_scan_forward(f, {}); }, message);
  };
  const auto zeros = [](const Shape& s, DType t) { return testing::zeros(s, t); };
  const DType bf16 = DType::BF16;
  refused([&](auto& f) { f.A = zeros({6, 3}, bf16); }, "A must be f32, got bf16");
  refused([&](auto& f) { f.D = zeros({6}, bf16); }, "D must be f32, got bf16");
  refused(
      [&](auto& f) {
        f.initial_state = zeros({2, 6, 3}, bf16);
      },
      "initial_state must be f32, got bf16");
  refused(
      [&](auto& f) {
        f.final_state = zeros({2, 6, 3}, bf16);
      },
      "final_state must be f32, got bf16");
  refused([&](auto& f) { f.y = zeros({2, 5, 6}, kF32); }, "y must be bf16, got f32");
  refused([&](auto& f) { f.A = Tensor::zeros({6, 3}, kF32); }, "A must be on cuda:0, got cpu");
  refused([&](auto& f) { f.u = zeros({2, 5, 6}, DType::F64); }, "f64");
}

}  // namespace
}  // namespace krait
