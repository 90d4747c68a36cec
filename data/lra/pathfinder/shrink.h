// Drawing at a multiple of the size and shrinking, as the Python Imaging Library does it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace krait {

/// A square picture in float64, row by row.
struct Picture {
  std::int64_t side = 0;
  std::vector<double> values;

  explicit Picture(std::int64_t size = 0)
      : side(size), values(static_cast<std::size_t>(size * size)) {}
  double& at(std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>(y * side + x)];
  }
  double at(std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>(y * side + x)];
  }
};

struct Pixel {
  std::int64_t y = 0, x = 0;
  friend bool operator==(const Pixel&, const Pixel&) = default;
};

/// Sets the pixels of a line to 1. A line of width 1 is Bresenham's, a wider one of odd width the
/// polygon that PIL fills, scan line by scan line; of width 2, where versions of PIL differ, two
/// lines side by side. The line and its width must lie inside.
void draw_line(Picture& picture, Pixel from, Pixel to, std::int64_t width);

/// The picture resampled to a smaller side by PIL's Lanczos filter of 3 lobes, without clipping:
/// values overshoot at edges. First along the rows, then along the columns.
Picture shrink(const Picture& picture, std::int64_t side);

/// A part of shrink(picture, side): the rows and columns [first, first + count) of each axis that
/// are inside. The picture is given by its non-zero pixels, which have the value 1.
struct ShrunkPart {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
  std::vector<double> values;  // row by row
};
ShrunkPart shrink_part(std::span<const Pixel> ones, std::int64_t from_side, std::int64_t side);

}  // namespace krait
