#include "data/lra/png.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

GreyImage random_image(std::int64_t height, std::int64_t width, std::uint32_t stream) {
  const RandomStream random{.seed = 4, .stream = stream};
  GreyImage image{.height = height, .width = width, .pixels = {}};
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(height * width); ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(random.bits(i)[0]));
  }
  return image;
}

TEST(Png, EveryGreyLevelComesBack) {
  GreyImage levels{.height = 16, .width = 16, .pixels = {}};
  for (int i = 0; i < 256; ++i) levels.pixels.push_back(static_cast<std::uint8_t>(i));
  EXPECT_EQ(decode_png(encode_png(levels), 16, 16, "here"), levels);
  const GreyImage image = random_image(3, 50, 1);
  EXPECT_EQ(decode_png(encode_png(image), 3, 50, "here"), image);
}

TEST(Png, DamageIsRefusedOrChangesNoPixel) {
  const GreyImage image = random_image(32, 32, 2);
  const std::string good = encode_png(image);
  const RandomStream random{.seed = 9};
  int refused = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    std::string bytes = good;
    const Philox4 r = random.bits(i);
    if (i % 4 == 0) bytes.resize(r[0] % bytes.size());
    if (i % 4 != 0) bytes[r[0] % bytes.size()] ^= static_cast<char>(1 + r[1] % 255);
    try {
      EXPECT_EQ(decode_png(bytes, 32, 32, "file"), image) << i;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadData);
      EXPECT_TRUE(std::string_view(error.what()).starts_with("file: ")) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 380);  // each chunk has a checksum
}

TEST(Png, OtherSizesAndOtherFilesAreRefused) {
  const std::string bytes = encode_png(random_image(8, 9, 3));
  expect_error(ErrorKind::BadData, {"f: must have 9 x 8 pixels, got 8 x 9"},
               [&] { decode_png(bytes, 9, 8, "f"); });
  expect_error(ErrorKind::BadData, {"f: is not a PNG image"}, [] { decode_png("", 8, 8, "f"); });
  expect_error(ErrorKind::BadData, {"f: is not a PNG image"},
               [] { decode_png("GIF89a", 8, 8, "f"); });
  // One red pixel, 8 bits for each colour.
  constexpr std::string_view kRed(
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\x2\0\0\0\x90wS\xde\0\0\0\fIDATx\x9c"
      "c\xf8\xcf\xc0\0\0\x3\1\1\0\xc9\xfe\x92\xef\0\0\0\0IEND\xae"
      "B`\x82",
      69);
  expect_error(ErrorKind::BadData, {"f: must be an image of grey levels"},
               [&] { decode_png(kRed, 1, 1, "f"); });
}

}  // namespace
}  // namespace krait
