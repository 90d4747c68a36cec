#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "data/safetensors/safetensors.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

constexpr const char* kOriginal = KRAIT_SOURCE_DIR "/tests/golden/safetensors/types.safetensors";

TEST(SafetensorsWrite, GivesTheBytesOfTheOriginalLibrary) {
  const auto f = [](std::initializer_list<float> values) {
    return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
  };
  using Type = SafetensorsType;
  const TemporaryDirectory directory;
  write_safetensors(
      directory / "ours",
      {{"layer.1.weight", Tensor::from<float>({2, 3}, {1.5f, -2.25f, 3e-30f, 0.1f, 1e20f, -0.0f}),
        Type::F32},
       {"half", f({1.0f, -0.5f, 65504, 0x1p-24f, 0x1p-14f, 0.333251953125f, -0.0f}), Type::F16},
       {"brain", f({1.0f, -3.0f, 0.0078125f, 0x1p100f, -0.0f}), Type::BF16},
       {"double", Tensor::from<double>({2, 1, 1}, {1.0 / 3, -1e300}), Type::F64},
       {"ids", Tensor::from<std::int64_t>({2}, {-5, std::int64_t{1} << 40}), Type::I64},
       {"small ids", Tensor::from<std::int32_t>({3}, {7, -8, 9}), Type::I32},
       {"bytes", Tensor::from<std::uint8_t>({5}, {0, 1, 2, 3, 4}), Type::U8},
       {"empty", Tensor::empty({0, 3}, DType::F32), Type::F32},
       {"scalar", Tensor::from<float>({}, {2.5f}), Type::F32}});
  EXPECT_EQ(read_file(directory / "ours"), read_file(kOriginal));
}

TEST(SafetensorsWrite, WhatTheOriginalWroteIsRead) {
  const MappedFile file(kOriginal);
  const SafetensorsContents contents = parse_safetensors(file.bytes(), "types");
  EXPECT_EQ(contents.arrays.size(), 9u);
  EXPECT_EQ(contents.metadata.at("format"), "pt");
  const Tensor half = Tensor::empty({7}, DType::F32);
  for (const SafetensorsArray& a : contents.arrays) {
    if (a.name == "half") read_floats(a, half);
  }
  EXPECT_EQ(half.span<float>()[2], 65504);
  EXPECT_EQ(half.span<float>()[5], 0.333251953125f);
}

TEST(SafetensorsWrite, AFiniteValueBeyondTheRangeOfItsTypeIsAnErrorAndNoFile) {
  const TemporaryDirectory directory;
  const Tensor large = Tensor::from<float>({2}, {1, 70000});
  expect_error(ErrorKind::BadData, {"'w'", "70000", "bf16 or f32"}, [&] {
    write_safetensors(directory / "f", {{"w", large, SafetensorsType::F16}});
  });
  EXPECT_EQ(directory.entries(), 0u);
  const Tensor wide = Tensor::from<double>({1}, {1e300});
  expect_error(ErrorKind::BadData, {"'w'"}, [&] {
    write_safetensors(directory / "f", {{"w", wide, SafetensorsType::F32}});
  });
  const Tensor infinite = Tensor::from<float>({1}, {std::numeric_limits<float>::infinity()});
  EXPECT_NO_THROW(write_safetensors(directory / "f", {{"w", infinite, SafetensorsType::F16}}));
}

TEST(SafetensorsWrite, AFileThatCannotBeMadeIsAnIoError) {
  expect_error(ErrorKind::MissingInput, {"nowhere"}, [&] {
    write_safetensors("/nowhere/f", {{"w", Tensor::zeros({1}, DType::F32), SafetensorsType::F32}});
  });
}

}  // namespace
}  // namespace krait
