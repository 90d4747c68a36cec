#include "data/lra/png.h"

#include <utility>

#include <png.h>

#include "core/error.h"

namespace krait {
namespace {

/// libpng's description of an image in memory, and what it holds for that.
struct Png {
  png_image image{};
  Png() { image.version = PNG_IMAGE_VERSION; }
  ~Png() { png_image_free(&image); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;
};

}  // namespace

std::string encode_png(const GreyImage& grey) {
  KRAIT_REQUIRE(std::cmp_equal(grey.pixels.size(), grey.height * grey.width) && grey.height > 0,
                "[encode_png] an image of ", grey.height, " x ", grey.width, " cannot have ",
                grey.pixels.size(), " pixels.");
  Png png;
  png.image.width = static_cast<png_uint_32>(grey.width);
  png.image.height = static_cast<png_uint_32>(grey.height);
  png.image.format = PNG_FORMAT_GRAY;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png.image);
  std::string bytes(size, '\0');
  const int done =
      png_image_write_to_memory(&png.image, bytes.data(), &size, 0, grey.pixels.data(), 0, nullptr);
  KRAIT_REQUIRE(done != 0, "[encode_png] libpng: ", png.image.message, ".");
  bytes.resize(size);
  return bytes;
}

GreyImage decode_png(std::string_view bytes, std::int64_t height, std::int64_t width,
                     const std::string& where) {
  Png png;
  KRAIT_CHECK(BadData, png_image_begin_read_from_memory(&png.image, bytes.data(), bytes.size()),
              where, ": is not a PNG image: ", png.image.message, ".");
  KRAIT_CHECK(BadData, png.image.format == PNG_FORMAT_GRAY, where,
              ": must be an image of grey levels of at most 8 bits, without colours or "
              "transparency.");
  KRAIT_CHECK(BadData,
              std::cmp_equal(png.image.height, height) && std::cmp_equal(png.image.width, width),
              where, ": must have ", height, " x ", width, " pixels, got ", png.image.height, " x ",
              png.image.width, ".");
  GreyImage grey{.height = height,
                 .width = width,
                 .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width))};
  const int done = png_image_finish_read(&png.image, nullptr, grey.pixels.data(), 0, nullptr);
  KRAIT_CHECK(BadData, done != 0 && !PNG_IMAGE_FAILED(png.image), where,
              ": the image is damaged: ", png.image.message, ".");
  return grey;
}

}  // namespace krait
