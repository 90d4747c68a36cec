#include "data/lra/pathfinder/shrink.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <tuple>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

/// Rounding to the nearest integer; halves go away from zero, or towards it.
std::int64_t round_up(double v) {
  return static_cast<std::int64_t>(v >= 0 ? std::floor(v + 0.5) : -std::floor(-v + 0.5));
}
std::int64_t round_down(double v) {
  return static_cast<std::int64_t>(v >= 0 ? std::ceil(v - 0.5) : -std::ceil(-v - 0.5));
}

void draw_thin_line(Picture& picture, Pixel from, Pixel to) {
  const bool flat = std::abs(to.x - from.x) > std::abs(to.y - from.y);
  const std::int64_t along = flat ? std::abs(to.x - from.x) : std::abs(to.y - from.y);
  const std::int64_t across = flat ? std::abs(to.y - from.y) : std::abs(to.x - from.x);
  const std::int64_t step_y = to.y > from.y ? 1 : -1, step_x = to.x > from.x ? 1 : -1;
  std::int64_t error = 2 * across - along;
  for (Pixel at = from;; flat ? at.x += step_x : at.y += step_y) {
    picture.at(at.y, at.x) = 1;
    if (flat ? at.x == to.x : at.y == to.y) return;
    if (error >= 0) {
      (flat ? at.y += step_y : at.x += step_x);
      error -= 2 * along;
    }
    error += 2 * across;
  }
}

/// Fills a polygon of four corners: between each two crossings of a row with the sides.
void fill(Picture& picture, std::span<const Pixel, 4> corners) {
  const auto [top, bottom] = std::ranges::minmax(corners, {}, &Pixel::y);
  for (std::int64_t y = top.y; y <= bottom.y; ++y) {
    std::vector<double> crossings;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const Pixel a = corners[i], b = corners[(i + 1) % corners.size()];
      if (a.y == b.y) {
        if (a.y != y) continue;
        const auto [left, right] = std::minmax(a.x, b.x);
        for (std::int64_t x = left; x <= right; ++x) picture.at(y, x) = 1;
        continue;
      }
      const auto [first, last] = std::minmax(a.y, b.y);
      if (y < first || y > last) continue;
      const double slope = static_cast<double>(b.x - a.x) / static_cast<double>(b.y - a.y);
      crossings.push_back(static_cast<double>(y - a.y) * slope + static_cast<double>(a.x));
      if (y == last && y < bottom.y) crossings.push_back(crossings.back());
    }
    std::ranges::sort(crossings);
    for (std::size_t i = 1; i < crossings.size(); i += 2) {
      const std::int64_t end = round_down(crossings[i]);
      for (std::int64_t x = round_up(crossings[i - 1]); x <= end; ++x) picture.at(y, x) = 1;
    }
  }
}

double lanczos(double x) {
  constexpr double kLobes = 3;
  if (x == 0) return 1;
  if (std::abs(x) >= kLobes) return 0;
  const double a = std::numbers::pi * x, b = a / kLobes;
  return std::sin(a) / a * std::sin(b) / b;
}

/// Which inputs make an output, and by how much.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
};

Taps taps_of(std::int64_t out, std::int64_t from_side, std::int64_t side) {
  const double scale = static_cast<double>(from_side) / static_cast<double>(side);
  const double support = 3 * scale, centre = (static_cast<double>(out) + 0.5) * scale;
  Taps taps{.first = std::max<std::int64_t>(
                static_cast<std::int64_t>(std::floor(centre - support + 0.5)), 0),
            .weights = {}};
  const auto end = std::min(static_cast<std::int64_t>(centre + support + 0.5), from_side);
  double sum = 0;
  for (std::int64_t in = taps.first; in < end; ++in) {
    taps.weights.push_back(lanczos((static_cast<double>(in) - centre + 0.5) / scale));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) weight /= sum;
  return taps;
}

double weight_of(const Taps& taps, std::int64_t in) {
  const std::int64_t i = in - taps.first;
  return i >= 0 && std::cmp_less(i, taps.weights.size()) ? taps.weights[static_cast<std::size_t>(i)]
                                                         : 0;
}

}  // namespace

void draw_line(Picture& picture, Pixel from, Pixel to, std::int64_t width) {
  KRAIT_REQUIRE(width >= 1, "[draw_line] width must be >= 1, got ", width, ".");
  const auto dy = static_cast<double>(to.y - from.y), dx = static_cast<double>(to.x - from.x);
  if (width == 1 || from == to) return draw_thin_line(picture, from, to);
  if (width == 2) {
    // To the right of the direction, on the axis that the line runs along less.
    const bool flat = std::abs(dx) >= std::abs(dy);
    const Pixel side{.y = flat ? (dx > 0 ? 1 : -1) : 0, .x = flat ? 0 : (dy > 0 ? -1 : 1)};
    draw_thin_line(picture, from, to);
    return draw_thin_line(picture, {from.y + side.y, from.x + side.x},
                          {to.y + side.y, to.x + side.x});
  }
  const double ratio = static_cast<double>(width - 1) / 2 / std::hypot(dx, dy);
  const std::int64_t left = round_down(ratio * dy), right = round_up(ratio * dy);
  const std::int64_t up = round_down(ratio * dx), down = round_up(ratio * dx);
  const Pixel corners[4] = {{from.y + down, from.x - left},
                            {to.y + down, to.x - left},
                            {to.y - up, to.x + right},
                            {from.y - up, from.x + right}};
  fill(picture, corners);
}

Picture shrink(const Picture& picture, std::int64_t side) {
  std::vector<Taps> taps;
  for (std::int64_t i = 0; i < side; ++i) taps.push_back(taps_of(i, picture.side, side));
  Picture result(side);
  std::vector<double> row(static_cast<std::size_t>(picture.side));
  for (std::int64_t x = 0; x < side; ++x) {
    const Taps& across = taps[static_cast<std::size_t>(x)];
    for (std::int64_t y = 0; y < picture.side; ++y) {
      double sum = 0;
      for (std::size_t i = 0; i < across.weights.size(); ++i) {
        sum += across.weights[i] * picture.at(y, across.first + static_cast<std::int64_t>(i));
      }
      row[static_cast<std::size_t>(y)] = sum;
    }
    for (std::int64_t y = 0; y < side; ++y) {
      const Taps& down = taps[static_cast<std::size_t>(y)];
      double sum = 0;
      for (std::size_t i = 0; i < down.weights.size(); ++i) {
        sum += down.weights[i] * row[static_cast<std::size_t>(down.first) + i];
      }
      result.at(y, x) = sum;
    }
  }
  return result;
}

ShrunkPart shrink_part(std::span<const Pixel> ones, std::int64_t from_side, std::int64_t side) {
  KRAIT_REQUIRE(!ones.empty(), "[shrink_part] there must be a pixel.");
  const std::int64_t scale = (from_side + side - 1) / side, reach = 3;
  const auto range = [&](auto axis) {
    const auto [low, high] = std::ranges::minmax(ones, {}, axis);
    const std::int64_t first = std::max<std::int64_t>(axis(low) / scale - reach, 0);
    return std::pair{first, std::min(axis(high) / scale + reach + 1, side) - first};
  };
  ShrunkPart part;
  std::tie(part.top, part.height) = range([](const Pixel& p) { return p.y; });
  std::tie(part.left, part.width) = range([](const Pixel& p) { return p.x; });
  std::vector<Taps> down, across;
  for (std::int64_t y = 0; y < part.height; ++y) {
    down.push_back(taps_of(part.top + y, from_side, side));
  }
  for (std::int64_t x = 0; x < part.width; ++x) {
    across.push_back(taps_of(part.left + x, from_side, side));
  }
  for (const Taps& vertical : down) {
    for (const Taps& horizontal : across) {
      double sum = 0;
      for (const Pixel& one : ones) {
        sum += weight_of(vertical, one.y) * weight_of(horizontal, one.x);
      }
      part.values.push_back(sum);
    }
  }
  return part;
}

}  // namespace krait
