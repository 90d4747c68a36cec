#include "data/lra/pathfinder/dashes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <set>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

constexpr double kPi = std::numbers::pi;

/// The original adds to a coordinate and takes the ceiling, so what rounding leaves of a sine that
/// should be 0 is lost against the coordinate.
std::int64_t ceil_of(double displacement) {
  constexpr double kCoordinate = 64;
  return static_cast<std::int64_t>(std::ceil(kCoordinate + displacement) - kCoordinate);
}
Pixel moved(double angle, double distance) {
  return {ceil_of(distance * std::sin(angle)), ceil_of(distance * std::cos(angle))};
}

double reversed(double angle) {
  return angle < 0 ? angle + kPi : angle - kPi;
}

/// Every pixel of `picture` becomes the largest value on a disc around it.
Picture grown(const Picture& picture, const std::vector<Pixel>& offsets) {
  Picture result(picture.side);
  for (std::int64_t y = 0; y < picture.side; ++y) {
    for (std::int64_t x = 0; x < picture.side; ++x) {
      if (picture.at(y, x) == 0) continue;
      for (const Pixel& o : offsets) {
        const std::int64_t v = y + o.y, u = x + o.x;
        if (v < 0 || u < 0 || v >= picture.side || u >= picture.side) continue;
        result.at(v, u) = std::max(result.at(v, u), picture.at(y, x));
      }
    }
  }
  return result;
}

}  // namespace

std::vector<Pixel> disc(double radius, Pixel centre) {
  std::vector<Pixel> pixels;
  const auto reach = static_cast<std::int64_t>(radius);
  for (std::int64_t y = -reach; y <= reach; ++y) {
    for (std::int64_t x = -reach; x <= reach; ++x) {
      if (static_cast<double>(y * y + x * x) > radius * radius) continue;
      pixels.push_back({centre.y + y, centre.x + x});
    }
  }
  return pixels;
}

std::vector<Pixel> marker_pixels(const PathfinderRules& rules, Pixel at) {
  const std::int64_t scale = rules.oversampling, side = rules.window * scale;
  auto pixels =
      disc(rules.marker_radius * static_cast<double>(scale), {at.y * scale, at.x * scale});
  std::erase_if(
      pixels, [side](const Pixel& p) { return p.y < 0 || p.x < 0 || p.y >= side || p.x >= side; });
  return pixels;
}

DashTable::DashTable(const PathfinderRules& rules, std::int64_t gap)
    : rules_(rules), gap_(gap), gap_disc_(disc(static_cast<double>(gap))) {
  add_starts();
  add_directions();
  for (const double before : turn_angles_) {
    std::vector<double>& weights = turn_weights_.emplace_back();
    for (const NextDirection& direction : directions_) {
      const double turn = std::abs(turn_angles_[direction.turns] - before);
      const double bend = std::min(turn, 2 * kPi - turn) * rules.continuity;
      weights.push_back(bend < kPi / 2 ? std::cos(bend) * std::cos(bend) : 0);
    }
  }
}

void DashTable::add_starts() {
  for (int degree = -180; degree < 180; ++degree) {
    const double angle = degree * kPi / 180, back = angle + kPi < kPi ? angle + kPi : angle - kPi;
    starts_.push_back({.dash = dash_towards(angle),
                       .head = moved(angle, static_cast<double>(rules_.dash_length)),
                       .pivot = moved(back, static_cast<double>(rules_.dash_length + gap_)),
                       .next_pivot = step(angle),
                       .turns = add_turns(angle)});
  }
}

void DashTable::add_directions() {
  const auto reach = static_cast<double>(rules_.dash_length + gap_);
  const double pixel = 360 / (2 * reach * kPi);  // degrees
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  for (int i = 0; i * pixel < 360; ++i) {
    const double around = i * pixel * kPi / 180;
    const Pixel head{static_cast<std::int64_t>(std::floor(reach * std::sin(around))),
                     static_cast<std::int64_t>(std::floor(reach * std::cos(around)))};
    if (!seen.emplace(head.y, head.x).second) continue;
    const double angle = std::atan2(static_cast<double>(head.y), static_cast<double>(head.x));
    directions_.push_back({.head = head,
                           .dash = dash_towards(reversed(angle)),
                           .next_pivot = step(angle),
                           .turns = add_turns(angle)});
  }
}

std::size_t DashTable::add_turns(double angle) {
  turn_angles_.push_back(angle);
  return turn_angles_.size() - 1;
}

Pixel DashTable::step(double angle) const {
  return moved(angle, static_cast<double>(rules_.dash_length + 2 * gap_));
}

std::size_t DashTable::dash_towards(double angle) {
  const Pixel head = moved(angle, static_cast<double>(rules_.dash_length * rules_.oversampling));
  const auto found = std::ranges::find(heads_, head);
  if (found != heads_.end()) return static_cast<std::size_t>(found - heads_.begin());
  heads_.push_back(head);
  dashes_.push_back(draw(head));
  return dashes_.size() - 1;
}

Dash DashTable::draw(Pixel head) const {
  const auto thickness = static_cast<std::int64_t>(std::ceil(rules_.dash_thickness));
  const std::int64_t radius = rules_.dash_length + thickness + gap_, scale = rules_.oversampling;
  const std::int64_t centre = radius * scale, side = 2 * radius + 1;
  Picture large(2 * centre + 1);
  draw_line(large, {centre, centre}, {centre + head.y, centre + head.x},
            std::llround(rules_.dash_thickness * static_cast<double>(scale)));
  const Picture line = shrink(large, side);
  const Picture room = shrink(grown(large, disc(static_cast<double>(gap_ * scale))), side);
  // What the original takes of this picture: where it is full, inside of dash_length + gap, and all
  // of it moved by one pixel.
  constexpr double kFull = 254.5 / 255;
  const std::int64_t reach = rules_.dash_length + gap_;
  Dash result;
  for (std::int64_t y = -radius; y <= radius; ++y) {
    for (std::int64_t x = -radius; x <= radius; ++x) {
      const auto v = static_cast<std::int32_t>(y), u = static_cast<std::int32_t>(x);
      const double bright = line.at(radius + y, radius + x);
      const double taken = std::min(room.at(radius + y, radius + x), 1.);
      if (bright > 0) result.line.push_back({v, u, bright});
      if (taken > 0) result.room.push_back({v, u, taken});
      if (taken >= kFull && y >= -reach && x >= -reach && y < reach && x < reach) {
        result.needs.push_back({y + 1, x + 1});
      }
    }
  }
  std::ranges::stable_sort(result.room, std::greater(), &DashPixel::value);
  return result;
}

}  // namespace krait
