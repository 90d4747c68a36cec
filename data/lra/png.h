// Images of grey levels in PNG files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

struct GreyImage {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint8_t> pixels;  // row by row, 0 black to 255 white
  friend bool operator==(const GreyImage&, const GreyImage&) = default;
};

/// The bytes of a PNG file of 8-bit grey levels.
std::string encode_png(const GreyImage& image);

/// What encode_png makes, or any other PNG file of grey levels of at most 8 bits. Throws BadData,
/// starting with `where`, for anything else, for damage, and for an image that has not this size:
/// memory is taken for that size only.
GreyImage decode_png(std::string_view bytes, std::int64_t height, std::int64_t width,
                     const std::string& where);

}  // namespace krait
