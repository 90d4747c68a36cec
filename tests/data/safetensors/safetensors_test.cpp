#include "data/safetensors/safetensors.h"

#include <cstdint>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

/// A file with this header and `data` bytes after it, 0, 1, 2...
std::string file_of(const std::string& header, std::size_t data = 0) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 255);
  file += header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

SafetensorsContents parse(const std::string& file) {
  // A copy without a byte to spare: whoever reads beyond it meets the sanitizer.
  const std::vector<std::byte> exact(reinterpret_cast<const std::byte*>(file.data()),
                                     reinterpret_cast<const std::byte*>(file.data()) + file.size());
  SafetensorsContents contents = parse_safetensors(exact, "'f'");
  for (SafetensorsArray& a : contents.arrays) a.bytes = {};
  return contents;
}

void expect_bad(const std::string& file, std::string_view part) {
  expect_error(ErrorKind::BadData, {"'f'", part}, [&] { parse(file); });
}

/// A header with the arrays a, u8 (2), and b, whatever `b` says.
std::string with(const std::string& b) {
  return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":)" + b + "}";
}

TEST(Safetensors, ReadsNamesTypesShapesAndMetadata) {
  const SafetensorsContents contents =
      parse(file_of(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,1],)"
                    R"("data_offsets":[3,7]},"a":{"shape":[3],"data_offsets":[0,3],"dtype":"U8"},)"
                    R"("e":{"dtype":"F32","shape":[0,4],"data_offsets":[3,3]}}   )",
                    7));
  ASSERT_EQ(contents.arrays.size(), 3u);
  EXPECT_EQ(contents.arrays[0].name, "a");
  EXPECT_EQ(contents.arrays[1].name, "b");
  EXPECT_EQ(contents.arrays[1].type, SafetensorsType::BF16);
  EXPECT_EQ(contents.arrays[1].shape, Shape({2, 1}));
  EXPECT_EQ(contents.arrays[2].shape, Shape({0, 4}));
  EXPECT_EQ(contents.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_TRUE(parse(file_of("{}")).arrays.empty());
}

TEST(Safetensors, ATruncatedOrOversizedHeaderIsRefused) {
  expect_bad("", "0 bytes");
  expect_bad("1234567", "7 bytes");
  expect_bad(file_of("{}").substr(0, 9), "copy or download");
  expect_bad(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}"), "100000000");
  expect_bad(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10), "100000000");  // one more than allowed
  expect_bad(std::string("\x00\xe1\xf5\x05\0\0\0\0{}", 10), "but has 10");
  const std::string whole = file_of(with(R"({"dtype":"U8","shape":[1],"data_offsets":[2,3]})"), 3);
  EXPECT_NO_THROW(parse(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) expect_bad(whole.substr(0, n), "");
}

TEST(Safetensors, AHeaderThatIsNotThatOfTheFormatIsRefused) {
  expect_bad(file_of(" {}"), "'{'");
  expect_bad(file_of("[]"), "'{'");
  expect_bad(file_of("{"), "JSON");
  expect_bad(file_of("{} x"), "JSON");
  expect_bad(file_of(R"({"__metadata__":{"a":1}})"), "only texts");
  expect_bad(file_of(R"({"__metadata__":[]})"), "object");
  expect_bad(file_of(with("[]"), 2), "'b' must have dtype");
  expect_bad(file_of(with(R"({"dtype":"U8","shape":[0]})"), 2), "'b' must have dtype");
  expect_bad(file_of(with(R"({"dtype":"U8","shape":[0],"data_offsets":[2,2],"x":1})"), 2),
             "'b' must have dtype");
  expect_bad(file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                     R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
             "\"a\" twice");
  expect_bad(file_of("{\"a\":" + std::string(100000, '[')), "nests");
  expect_bad(file_of("{\"\xc3\x28\":1}"), "JSON");
}

TEST(Safetensors, TypesAndShapesThatKraitCannotHoldAreRefused) {
  for (const char* type : {"\"F8_E4M3\"", "\"BOOL\"", "\"f32\"", "1"}) {
    expect_bad(
        file_of(with(std::string("{\"dtype\":") + type + ",\"shape\":[0],\"data_offsets\":[2,2]}"),
                2),
        "'b'");
  }
  for (const char* shape :
       {"[-1]", "[1.0]", "[\"1\"]", "1", "[1,1,1,1,1,1,1]", "[9223372036854775808]",
        "[18446744073709551616]", "[4294967296,4294967296]",   // 2^64 elements
        "[4611686018427387904,4]", "[3,6148914691236517206]",  // wraps around to 2 bytes
        "null"}) {
    expect_bad(file_of(with(std::string(R"({"dtype":"U8","shape":)") + shape +
                            R"(,"data_offsets":[2,4]})"),
                       4),
               "'b'");
  }
}

TEST(Safetensors, OffsetsMustTileTheRestOfTheFile) {
  const auto at = [](const char* offsets, const char* size = "2") {
    return with(std::string(R"({"dtype":"U8","shape":[)") + size + R"(],"data_offsets":)" +
                offsets + "}");
  };
  EXPECT_NO_THROW(parse(file_of(at("[2,4]"), 4)));
  expect_bad(file_of(at("[1,3]"), 3), "overlaps");
  expect_bad(file_of(at("[0,2]"), 2), "overlaps");
  expect_bad(file_of(at("[3,5]"), 5), "gap");
  expect_bad(file_of(at("[2,4]"), 5), "1 bytes after");
  expect_bad(file_of(at("[2,4]"), 3), "cut short");
  expect_bad(file_of(at("[4,2]"), 4), "said to lie at bytes 4 to 2");
  expect_bad(file_of(at("[2,5]"), 5), "has 3 bytes");
  expect_bad(file_of(at("[18446744073709551615,1]"), 4), "lie at");
  expect_bad(file_of(at("[-2,0]"), 4), "data_offsets");
  expect_bad(file_of(at("[2,4.0]"), 4), "data_offsets");
  expect_bad(file_of(at("[2]"), 4), "data_offsets");
  expect_bad(file_of(at("[1,1]", "0"), 2), "overlaps");
  expect_bad(file_of("{}", 1), "1 bytes after");
}

/// What read_floats makes of `values` stored as `type`, at an odd address.
template <class From, class To>
std::vector<To> converted(SafetensorsType type, const std::vector<From>& values) {
  std::vector<std::byte> bytes(1 + values.size() * sizeof(From));
  std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(From));
  const Shape shape{static_cast<std::int64_t>(values.size())};
  const Tensor to = Tensor::empty(shape, dtype_of<To>);
  read_floats({.name = "x", .type = type, .shape = shape, .bytes = std::span(bytes).subspan(1)},
              to);
  const std::span<To> read = to.span<To>();
  return {read.begin(), read.end()};
}

TEST(Safetensors, FloatsAreReadExactlyIntoF32AndF64) {
  const std::vector<float> f{1.5f, -0.0f, 3e-39f, 1e38f};
  EXPECT_EQ((converted<float, float>(SafetensorsType::F32, f)), f);
  EXPECT_EQ((converted<float, double>(SafetensorsType::F32, f)),
            (std::vector<double>(f.begin(), f.end())));
  const std::vector<double> d{1.0 / 3, -1e300};
  EXPECT_EQ((converted<double, double>(SafetensorsType::F64, d)), d);
  EXPECT_EQ((converted<double, float>(SafetensorsType::F64, {1.0 / 3}))[0], 1.0f / 3);
  const std::vector<std::uint16_t> half{0x3c00, 0xc000, 0x0001, 0x7bff};
  EXPECT_EQ((converted<std::uint16_t, float>(SafetensorsType::F16, half)),
            (std::vector<float>{1, -2, 0x1p-24f, 65504}));
  const std::vector<std::uint16_t> brain{0x3f80, 0xc000, 0x7f00};
  EXPECT_EQ((converted<std::uint16_t, double>(SafetensorsType::BF16, brain)),
            (std::vector<double>{1, -2, 0x1p127}));
  expect_error(ErrorKind::BadData, {"'x'", "I32"},
               [&] { converted<std::int32_t, float>(SafetensorsType::I32, {1}); });
}

}  // namespace
}  // namespace krait
