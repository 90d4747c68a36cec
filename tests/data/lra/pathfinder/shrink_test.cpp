#include "data/lra/pathfinder/shrink.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "core/random.h"

namespace krait {
namespace {

// Rows of a picture, '#' for a pixel that is set.
std::vector<std::string> rows_of(const Picture& picture) {
  std::vector<std::string> rows;
  for (std::int64_t y = 0; y < picture.side; ++y) {
    std::string& row = rows.emplace_back();
    for (std::int64_t x = 0; x < picture.side; ++x) row += picture.at(y, x) == 1 ? '#' : '.';
  }
  return rows;
}

std::vector<std::string> line(Pixel to, std::int64_t width) {
  Picture picture(11);
  draw_line(picture, {5, 5}, {5 + to.y, 5 + to.x}, width);
  return rows_of(picture);
}

using Rows = std::vector<std::string>;

// What ImageDraw.line of Pillow 13.0 draws.
TEST(DrawLine, EqualsPillowForWidthsOneAndThree) {
  EXPECT_EQ(line({-2, 4}, 1), (Rows{"...........", "...........", "...........", "........##.",
                                    "......##...", ".....#.....", "...........", "...........",
                                    "...........", "...........", "..........."}));
  EXPECT_EQ(line({3, -4}, 3), (Rows{"...........", "...........", "...........", "...........",
                                    "....#......", "...###.....", ".######....", "######.....",
                                    ".###.......", "..#........", "..........."}));
  EXPECT_EQ(line({0, 4}, 3), (Rows{"...........", "...........", "...........", "...........",
                                   ".....#####.", ".....#####.", ".....#####.", "...........",
                                   "...........", "...........", "..........."}));
}

TEST(DrawLine, OfWidthTwoIsTwoLinesSideBySide) {
  EXPECT_EQ(line({0, 4}, 2), (Rows{"...........", "...........", "...........", "...........",
                                   "...........", ".....#####.", ".....#####.", "...........",
                                   "...........", "...........", "..........."}));
}

TEST(Shrink, KeepsAConstantPictureAndEqualsItsPart) {
  Picture constant(19);
  std::ranges::fill(constant.values, 0.7);
  for (const double value : shrink(constant, 11).values) EXPECT_NEAR(value, 0.7, 1e-12);

  // A few pixels anywhere: shrink_part is the part of shrink around them.
  const RandomStream random{.seed = 3};
  for (std::uint64_t i = 0; i < 20; ++i) {
    std::vector<Pixel> ones;
    Picture picture(32);
    const auto at = [&](std::uint64_t k) {
      return static_cast<std::int64_t>(random.bits64(i * 100 + k) % 27);
    };
    const Pixel corner{at(0), at(1)};
    for (std::uint64_t k = 0; k < 6; ++k) {
      const Pixel p{corner.y + at(2 + k) % 5, corner.x + at(20 + k) % 5};
      if (picture.at(p.y, p.x) == 1) continue;
      picture.at(p.y, p.x) = 1;
      ones.push_back(p);
    }
    const Picture whole = shrink(picture, 16);
    const ShrunkPart part = shrink_part(ones, 32, 16);
    for (std::int64_t y = 0; y < 16; ++y) {
      for (std::int64_t x = 0; x < 16; ++x) {
        const std::int64_t v = y - part.top, u = x - part.left;
        const bool inside = v >= 0 && u >= 0 && v < part.height && u < part.width;
        const double value = inside ? part.values[static_cast<std::size_t>(v * part.width + u)] : 0;
        // Outside of the part every weight is 0.
        EXPECT_NEAR(value, whole.at(y, x), 1e-12) << y << " " << x;
      }
    }
  }
}

}  // namespace
}  // namespace krait
