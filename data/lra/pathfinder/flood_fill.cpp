#include "data/lra/pathfinder/flood_fill.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace krait {
namespace {

/// Levels by which a pixel may be darker than what is drawn there, and a level below which what is
/// drawn does not count.
constexpr double kTolerance = 4, kFaint = 20;

/// The pixels of a disc, with their levels.
template <class F>
void for_each_pixel(const ShrunkPart& disc, double brightest, std::int64_t window, F&& f) {
  for (std::int64_t y = 0; y < disc.height; ++y) {
    for (std::int64_t x = 0; x < disc.width; ++x) {
      const double level =
          disc.values[static_cast<std::size_t>(y * disc.width + x)] * 255 / brightest;
      if (level > kFaint)
        f(static_cast<std::size_t>((disc.top + y) * window + disc.left + x), level);
    }
  }
}

/// A dash that the fill has come to: where it ends, the pivot of the next one, its number.
struct Reached {
  Pixel head, next_pivot;
  std::int64_t number = 1;
};

}  // namespace

PathfinderFloodFill::PathfinderFloodFill(const PathfinderRules& rules) : rules_(rules) {
  for (const std::int64_t gap : rules.gaps) tables_.emplace_back(rules, gap);
  brightest_ = std::ranges::max(marker({rules.window / 2, rules.window / 2}).values);
}

bool PathfinderFloodFill::is_marker(Pixel at, std::span<const std::uint8_t> pixels) const {
  bool seen = true;
  for_each_pixel(marker(at), brightest_, rules_.window, [&](std::size_t i, double level) {
    seen = seen && pixels[i] >= level - kTolerance;
  });
  return seen;
}

ShrunkPart PathfinderFloodFill::marker(Pixel at) const {
  return shrink_part(marker_pixels(rules_, at), rules_.window * rules_.oversampling, rules_.window);
}

std::vector<Pixel> PathfinderFloodFill::markers(std::span<const std::uint8_t> pixels) const {
  constexpr std::uint8_t kBright = 200;
  std::vector<Pixel> found;
  for (std::int64_t y = 0; y < rules_.window; ++y) {
    for (std::int64_t x = 0; x < rules_.window; ++x) {
      if (pixels[static_cast<std::size_t>(y * rules_.window + x)] < kBright) continue;
      if (is_marker({y, x}, pixels)) found.push_back({y, x});
    }
  }
  return found;
}

PathfinderFloodFill::Sight PathfinderFloodFill::look(const Dash& dash, Pixel at,
                                                     const View& view) const {
  const double scale = rules_.path_contrast * 255 / brightest_;
  int equal = 0, brighter = 0;
  for (const DashPixel& pixel : dash.line) {
    const double drawn = pixel.value * scale;
    const std::int64_t y = at.y + pixel.y, x = at.x + pixel.x;
    if (drawn <= kFaint || y < 0 || x < 0 || y >= rules_.window || x >= rules_.window) continue;
    const auto i = static_cast<std::size_t>(y * rules_.window + x);
    if (view.pixels[i] < drawn - kTolerance) return Sight::No;
    if (!view.hidden[i]) ++(view.pixels[i] <= drawn + kTolerance ? equal : brighter);
  }
  return brighter > 2 * equal ? Sight::Below : Sight::Yes;
}

bool PathfinderFloodFill::leads(const DashTable& table, const View& view, Pixel from,
                                Pixel to) const {
  const auto plus = [](Pixel a, Pixel b) { return Pixel{a.y + b.y, a.x + b.x}; };
  const auto inside = [this](Pixel p) {
    return p.y >= 0 && p.x >= 0 && p.y < rules_.window && p.x < rules_.window;
  };
  std::vector<Reached> to_do;
  for (const StartDirection& start : table.starts()) {
    const Pixel head = plus(from, start.head), pivot = plus(head, start.pivot);
    if (!inside(head) || look(table.dash(start.dash), from, view) == Sight::No) continue;
    to_do.push_back({.head = head, .next_pivot = plus(pivot, start.next_pivot)});
  }
  std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> seen;  // next pivot and number
  while (!to_do.empty()) {
    const Reached dash = to_do.back();
    to_do.pop_back();
    if (dash.number == rules_.contour_length) {
      if (dash.head == to) return true;
      continue;
    }
    if (!seen.emplace(dash.next_pivot.y, dash.next_pivot.x, dash.number).second) continue;
    for (const NextDirection& next : table.directions()) {
      const Pixel head = plus(dash.next_pivot, next.head);
      if (!inside(head)) continue;
      const Sight sight = look(table.dash(next.dash), head, view);
      const bool last = dash.number + 1 == rules_.contour_length;
      if (sight == Sight::No || (sight == Sight::Below && !last)) continue;
      to_do.push_back({.head = head,
                       .next_pivot = plus(dash.next_pivot, next.next_pivot),
                       .number = dash.number + 1});
    }
  }
  return false;
}

std::optional<std::int32_t> PathfinderFloodFill::label(std::span<const std::uint8_t> pixels) const {
  const std::vector<Pixel> discs = markers(pixels);
  if (discs.size() == 1) return 1;
  if (discs.size() != 2) return std::nullopt;
  View view{.pixels = pixels, .hidden = std::vector<bool>(pixels.size())};
  for (const Pixel& disc : discs) {
    for_each_pixel(marker(disc), brightest_, rules_.window, [&](std::size_t i, double level) {
      if (pixels[i] <= level + kTolerance) view.hidden[i] = true;
    });
  }
  const bool joined = std::ranges::any_of(tables_, [&](const DashTable& table) {
    return leads(table, view, discs[0], discs[1]) || leads(table, view, discs[1], discs[0]);
  });
  return joined ? 1 : 0;
}

}  // namespace krait
