// The task Image: CIFAR-10 in grey, pixel by pixel.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// make_lra_sets for Image.
LraResult make_image_sets(const LraOptions& options);

/// The grey level of a pixel, as the Python Imaging Library converts RGB to L: (19595 R + 38470 G +
/// 7471 B + 32768) / 65536, rounded down.
constexpr std::uint8_t grey_level(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

}  // namespace krait
