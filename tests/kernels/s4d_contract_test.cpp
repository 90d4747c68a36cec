// What S4D refuses, and that the message says what is wrong.
#include <functional>

#include <gtest/gtest.h>

#include "kernels/s4d.h"
#include "tests/support/device.h"
#include "tests/support/tensors.h"

namespace krait {
namespace {

using testing::expect_error;

constexpr DType kF32 = DType::F32;

/// Complex: rows in `rows`, parameters in f32, on the test's device.
S4dForward valid_forward(DType rows = kF32) {
  return {.u = testing::zeros({2, 5, 6}, rows),
          .dt = testing::zeros({6}, kF32),
          .A_real = testing::zeros({6, 3}, kF32),
          .A_imag = testing::zeros({6, 3}, kF32),
          .C_real = testing::zeros({6, 3}, kF32),
          .C_imag = testing::zeros({6, 3}, kF32),
          .D = testing::zeros({6}, kF32),
          .y = testing::zeros({2, 5, 6}, rows)};
}

void expect_refusal(const std::function<void(S4dForward&)>& spoil, const std::string& message,
                    DType rows = kF32) {
  S4dForward f = valid_forward(rows);
  spoil(f);
  expect_error([&] { s4d_forward(f, {}); }, message);
}

TEST(S4dContract, ValidArgumentsPass) {
  EXPECT_NO_THROW(s4d_forward(valid_forward(), {}));
  EXPECT_NO_THROW(
      s4d_backward({.forward = valid_forward(), .dy = Tensor::zeros({2, 5, 6}, kF32)}, {}));
}

TEST(S4dContract, WrongShapesAreNamed) {
  const auto zeros = [](const Shape& s) { return Tensor::zeros(s, kF32); };
  expect_refusal([&](auto& f) { f.u = zeros({2, 5}); }, "u must have shape (b, l, d)");
  expect_refusal([&](auto& f) { f.u = Tensor(); }, "u must have shape (b, l, d)");
  expect_refusal([&](auto& f) { f.u = zeros({2, 0, 6}); }, "u must have sizes >= 1");
  expect_refusal([&](auto& f) { f.dt = zeros({6, 3}); }, "dt must have shape (6), got (6, 3)");
  expect_refusal([&](auto& f) { f.dt = Tensor(); }, "dt must be given");
  expect_refusal([&](auto& f) { f.A_real = zeros({5, 3}); }, "A_real must have shape (6, 3)");
  expect_refusal([&](auto& f) { f.A_real = zeros({6, 129}); }, "1 to 128 modes");
  expect_refusal([&](auto& f) { f.A_imag = zeros({6, 4}); }, "A_imag must have shape (6, 3)");
  expect_refusal([&](auto& f) { f.C_real = zeros({6}); }, "C_real must have shape (6, 3)");
  expect_refusal([&](auto& f) { f.D = zeros({5}); }, "D must have shape (6)");
  expect_refusal([&](auto& f) { f.z = zeros({1, 5, 6}); }, "z must have shape (2, 5, 6)");
  expect_refusal(
      [&](auto& f) {
        f.initial_state = zeros({2, 6, 3});
      },
      "initial_state must have shape (2, 6, 3, 2)");
  expect_refusal(
      [&](auto& f) {
        f.final_state = zeros({2, 3, 6, 2});
      },
      "final_state must have shape (2, 6, 3, 2)");
  expect_refusal(
      [&](auto& f) {
        f.chunk_states = zeros({2, 5, 6, 3, 2});
      },
      "chunk_states must have shape (2, 1, 6, 3, 2)");
  expect_refusal([&](auto& f) { f.y = Tensor(); }, "y must be given");
}

TEST(S4dContract, TheImaginaryPartsGoTogether) {
  expect_refusal([](auto& f) { f.A_imag = Tensor(); }, "A_imag and C_imag go together");
  expect_refusal([](auto& f) { f.C_imag = Tensor(); }, "A_imag and C_imag go together");
  // Without them a state is real.
  expect_refusal(
      [](auto& f) {
        f.A_imag = f.C_imag = Tensor();
        f.initial_state = Tensor::zeros({2, 6, 3, 2}, kF32);
      },
      "initial_state must have shape (2, 6, 3)");
}

TEST(S4dContract, WrongTypesAndStridesAreNamed) {
  expect_refusal(
      [](auto& f) {
        f.u = Tensor::zeros({2, 5, 6}, DType::BF16);
      },
      "u must be f32 or f64, got bf16");
  expect_refusal([](auto& f) { f.dt = Tensor::zeros({6}, DType::F64); }, "dt must be f32, got f64");
  expect_refusal(
      [](auto& f) {
        f.sequence_ids = Tensor::zeros({2, 5}, DType::I64);
      },
      "sequence_ids must be i32, got i64");
  expect_refusal(
      [](auto& f) {
        f.z = Tensor::zeros({2, 6, 5}, kF32).transpose(1, 2);
      },
      "z must be dense in its last dimension");
  expect_refusal(
      [](auto& f) {
        f.A_real = Tensor::zeros({6, 4}, kF32).slice(1, 0, 3);
      },
      "A_real must be contiguous");
}

TEST(S4dContract, GradientsNeedTheirInputsAndShapes) {
  const S4dBackward valid{.forward = valid_forward(), .dy = Tensor::zeros({2, 5, 6}, kF32)};
  const auto refused = [&](const std::function<void(S4dBackward&)>& spoil,
                           const std::string& message) {
    S4dBackward b = valid;
    spoil(b);
    expect_error([&] { s4d_backward(b, {}); }, message);
  };
  const auto wanted = [](const Shape& s) {
    return Gradient{Tensor::zeros(s, kF32), GradientMode::Overwrite};
  };
  refused([](auto& b) { b.dy = Tensor(); }, "dy must be given");
  refused(
      [&](auto& b) {
        b.dz = wanted({2, 5, 6});
      },
      "dz is wanted, but the input that it belongs to is not given");
  refused([&](auto& b) { b.dinitial_state = wanted({2, 6, 3, 2}); }, "dinitial_state is wanted");
  refused([&](auto& b) { b.ddt = wanted({3}); }, "ddt must have shape (6)");
  refused([&](auto& b) { b.dA_imag = wanted({3, 6}); }, "dA_imag must have shape (6, 3)");
  refused([](auto& b) { b.du.mode = GradientMode::Accumulate; }, "du must be given");
  refused(
      [](auto& b) {
        b.dfinal_state = Tensor::zeros({2, 6, 3}, kF32);
      },
      "dfinal_state must have shape (2, 6, 3, 2)");
}

TEST(GpuS4dContract, ParametersAndStatesAreF32BesideBf16) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope device_scope(testing::kGpu);
  const DType bf16 = DType::BF16;
  EXPECT_NO_THROW(s4d_forward(valid_forward(bf16), {}));
  const auto zeros = [](const Shape& s, DType t) { return testing::zeros(s, t); };
  expect_refusal([&](auto& f) { f.dt = zeros({6}, bf16); }, "dt must be f32, got bf16", bf16);
  expect_refusal(
      [&](auto& f) {
        f.final_state = zeros({2, 6, 3, 2}, bf16);
      },
      "final_state must be f32, got bf16", bf16);
  expect_refusal([&](auto& f) { f.y = zeros({2, 5, 6}, kF32); }, "y must be bf16, got f32", bf16);
  expect_refusal(
      [&](auto& f) {
        f.A_real = Tensor::zeros({6, 3}, kF32);
      },
      "A_real must be on cuda:0, got cpu", bf16);
  expect_refusal([&](auto& f) { f.u = zeros({2, 5, 6}, DType::F64); }, "f64", bf16);
}

}  // namespace
}  // namespace krait
