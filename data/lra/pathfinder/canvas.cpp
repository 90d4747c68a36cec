#include "data/lra/pathfinder/canvas.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

using Path = PathfinderPath;

constexpr int kDrawsBits = 24;         // 2^24 random numbers for an image: far more than it needs
constexpr int kTries = 3;              // for a dash
constexpr int kDistractorTries = 5;    // for a path that distracts
constexpr double kOccupied = 0.3;      // of the mask, above which no path starts
constexpr double kCrossing = 1.8;      // of two masks together, from which on dashes cross
constexpr double kLeastWeight = 1e-4;  // of all directions together, for a next dash
constexpr double kLeastFree = 0.01;    // of the image, for a path that distracts

Pixel plus(Pixel a, Pixel b) {
  return {a.y + b.y, a.x + b.x};
}

}  // namespace

PathfinderDraws::PathfinderDraws(std::uint64_t seed, std::uint64_t index)
    : stream_{.seed = seed, .purpose = RandomPurpose::Sample, .stream = stream_of("pathfinder")},
      next_(index << kDrawsBits) {
  KRAIT_REQUIRE(index >> (64 - kDrawsBits) == 0, "[PathfinderGenerator] index ", index,
                " must be < 2^40.");
}

std::size_t PathfinderDraws::below(std::size_t bound) {
  const std::uint64_t bits = stream_.bits64(next_++) >> 32;
  return static_cast<std::size_t>((bits * bound) >> 32);
}

double PathfinderDraws::uniform() {
  return stream_.uniform(next_++);
}

PathfinderCanvas::PathfinderCanvas(const PathfinderRules& rules, const DashTable& table,
                                   PathfinderDraws& draws)
    : rules_(rules), table_(table), draws_(draws), image_(rules.window), mask_(rules.window) {}

bool PathfinderCanvas::inside(Pixel p) const {
  return p.y >= 0 && p.x >= 0 && p.y < rules_.window && p.x < rules_.window;
}

/// Pixels between p and the edge of the image, below 0 outside.
std::int64_t PathfinderCanvas::edge(Pixel p) const {
  return std::min(std::min(p.y, p.x), rules_.window - 1 - std::max(p.y, p.x));
}

void PathfinderCanvas::clear_mask() {
  std::ranges::fill(mask_.values, 0);
  for (std::int64_t i = 0; i < rules_.window; ++i) {
    for (std::int64_t k = 0; k < rules_.padding; ++k) {
      const std::int64_t far = rules_.window - 1 - k;
      mask_.at(k, i) = mask_.at(far, i) = mask_.at(i, k) = mask_.at(i, far) = 1;
    }
  }
}

void PathfinderCanvas::draw(const Path& path, double contrast) {
  for (const PlacedDash& placed : path.dashes) {
    for (const DashPixel& pixel : placed.dash->line) {
      const Pixel p{placed.at.y + pixel.y, placed.at.x + pixel.x};
      if (inside(p)) image_.at(p.y, p.x) = std::max(image_.at(p.y, p.x), pixel.value * contrast);
    }
  }
}

void PathfinderCanvas::draw_marker(Pixel at) {
  const ShrunkPart part =
      shrink_part(marker_pixels(rules_, at), rules_.window * rules_.oversampling, rules_.window);
  for (std::int64_t y = 0; y < part.height; ++y) {
    for (std::int64_t x = 0; x < part.width; ++x) {
      double& pixel = image_.at(part.top + y, part.left + x);
      pixel = std::max(pixel, part.values[static_cast<std::size_t>(y * part.width + x)]);
    }
  }
}

std::vector<std::uint8_t> PathfinderCanvas::levels() const {
  const double brightest = std::ranges::max(image_.values);
  std::vector<std::uint8_t> levels(image_.values.size());
  std::ranges::transform(image_.values, levels.begin(), [&](double v) {
    return static_cast<std::uint8_t>(255 * (v / brightest));
  });
  return levels;
}

void PathfinderCanvas::take_room(const PlacedDash& placed) {
  for (const DashPixel& pixel : placed.dash->room) {
    const Pixel p{placed.at.y + pixel.y, placed.at.x + pixel.x};
    if (inside(p)) mask_.at(p.y, p.x) = std::max(mask_.at(p.y, p.x), pixel.value);
  }
}

bool PathfinderCanvas::crosses(const PlacedDash& placed) const {
  for (const DashPixel& pixel : placed.dash->room) {
    if (pixel.value + 1 < kCrossing) return false;  // nor can the rest, which is smaller
    const Pixel p{placed.at.y + pixel.y, placed.at.x + pixel.x};
    if (inside(p) && mask_.at(p.y, p.x) + pixel.value >= kCrossing) return true;
  }
  return false;
}

/// Whether a dash at `tail` would lie on free pixels, inside of a frame.
bool PathfinderCanvas::is_free(Pixel tail, const Dash& dash, std::int64_t frame) const {
  return std::ranges::all_of(dash.needs, [&](const Pixel& offset) {
    const Pixel p = plus(tail, offset);
    return edge(p) >= frame && mask_.at(p.y, p.x) <= kOccupied;
  });
}

/// Uniform among all pixels that are free.
std::optional<Pixel> PathfinderCanvas::pick_free(const Dash& dash, std::int64_t frame) {
  const std::int64_t reach = rules_.dash_length + 2 * std::ranges::max(rules_.gaps);
  const std::int64_t first = std::max(frame - reach, std::int64_t{0});
  const std::int64_t side = rules_.window - 2 * first;
  const auto pixel = [&](std::size_t i) {
    const auto n = static_cast<std::int64_t>(i);
    return Pixel{first + n / side, first + n % side};
  };
  const auto count = static_cast<std::size_t>(side * side);
  constexpr int kGuesses = 32;  // mostly enough, and quicker than a list
  for (int i = 0; i < kGuesses; ++i) {
    const Pixel guess = pixel(draws_.below(count));
    if (is_free(guess, dash, frame)) return guess;
  }
  std::vector<Pixel> free;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_free(pixel(i), dash, frame)) free.push_back(pixel(i));
  }
  if (free.empty()) return std::nullopt;
  return free[draws_.below(free.size())];
}

/// A path of one dash; nothing when it leads out of the image.
std::optional<Path> PathfinderCanvas::start_at(Pixel tail, const StartDirection& direction) const {
  const Pixel head = plus(tail, direction.head), pivot = plus(head, direction.pivot);
  if (!inside(head) || !inside(pivot)) return std::nullopt;
  return Path{.dashes = {{.dash = &table_.dash(direction.dash), .at = tail}},
              .next_pivot = plus(pivot, direction.next_pivot),
              .turns = direction.turns,
              .first_tip = tail,
              .last_tip = head};
}

std::optional<Path> PathfinderCanvas::start_anywhere(std::int64_t frame) {
  for (int i = 0; i < kTries; ++i) {
    const StartDirection& direction = table_.starts()[draws_.below(table_.starts().size())];
    const auto tail = pick_free(table_.dash(direction.dash), frame);
    if (!tail) return std::nullopt;
    if (auto path = start_at(*tail, direction)) return path;
  }
  return std::nullopt;
}

/// The second path starts at a distance from the first, whatever is there.
std::optional<Path> PathfinderCanvas::start_beside(Pixel tail) {
  const auto distance = static_cast<double>(rules_.seed_distance);
  for (int i = 0; i < kTries; ++i) {
    const StartDirection& direction = table_.starts()[draws_.below(table_.starts().size())];
    const double around = static_cast<double>(draws_.below(360)) * std::numbers::pi / 180;
    const Pixel beside{tail.y + std::lrint(distance * std::sin(around)),
                       tail.x + std::lrint(distance * std::cos(around))};
    if (auto path = start_at(beside, direction)) return path;
  }
  return std::nullopt;
}

/// The mask's largest value within the gap around p; 1 outside of the image.
double PathfinderCanvas::most_taken(Pixel p) const {
  if (!inside(p)) return 1;
  double most = 0;
  if (edge(p) >= table_.gap()) {  // the most common case by far, without a check for each pixel
    const double* centre = &mask_.values[static_cast<std::size_t>(p.y * rules_.window + p.x)];
    for (const Pixel& o : table_.gap_disc()) {
      most = std::max(most, centre[o.y * rules_.window + o.x]);
    }
    return most;
  }
  for (const Pixel& offset : table_.gap_disc()) {
    const Pixel q = plus(p, offset);
    if (inside(q)) most = std::max(most, mask_.at(q.y, q.x));
  }
  return most;
}

/// Weighs the directions of the next dash: straight ones most, heads near what is taken nothing.
double PathfinderCanvas::weigh(const Path& path) {
  weights_ = table_.turn_weights(path.turns);
  double total = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0) continue;
    weights_[i] *= 1 - most_taken(plus(path.next_pivot, table_.directions()[i].head));
    total += weights_[i];
  }
  return total;
}

/// Adds a dash; false when none fits.
bool PathfinderCanvas::grow(Path& path) {
  const double total = weigh(path);
  if (total < kLeastWeight) return false;
  for (int i = 0; i < kTries; ++i) {
    double rest = draws_.uniform() * total;
    std::size_t choice = 0;
    while (choice + 1 < weights_.size() && rest >= weights_[choice]) rest -= weights_[choice++];
    const NextDirection& direction = table_.directions()[choice];
    const Pixel head = plus(path.next_pivot, direction.head);
    const PlacedDash placed{.dash = &table_.dash(direction.dash), .at = head};
    if (!inside(head) || crosses(placed)) continue;
    take_room(path.dashes.back());
    path.dashes.push_back(placed);
    path.next_pivot = plus(path.next_pivot, direction.next_pivot);
    path.turns = direction.turns;
    path.last_tip = head;
    return true;
  }
  return false;
}

std::optional<std::array<Path, 2>> PathfinderCanvas::try_paths() {
  clear_mask();
  auto first = start_anywhere(2 * rules_.seed_distance);
  if (!first) return std::nullopt;
  auto second = start_beside(first->first_tip);
  if (!second) return std::nullopt;
  std::array<Path, 2> paths{std::move(*first), std::move(*second)};
  for (std::int64_t i = 1; i < rules_.contour_length; ++i) {
    for (Path& path : paths) {
      if (!grow(path)) return std::nullopt;
    }
  }
  take_room(paths[1].dashes.back());  // and not the first one's, as in the original
  return paths;
}

std::array<Path, 2> PathfinderCanvas::draw_paths() {
  std::optional<std::array<Path, 2>> paths;
  while (!paths) paths = try_paths();
  for (const Path& path : *paths) draw(path, rules_.path_contrast);
  return std::move(*paths);
}

std::optional<Path> PathfinderCanvas::try_distractor() {
  const auto free = std::ranges::count_if(mask_.values, [](double v) { return v <= kOccupied; });
  if (static_cast<double>(free) < kLeastFree * static_cast<double>(mask_.values.size())) {
    return std::nullopt;
  }
  auto path = start_anywhere(1);
  for (std::int64_t i = 1; path && i < rules_.distractor_length; ++i) {
    if (!grow(*path)) return std::nullopt;
  }
  if (path) take_room(path->dashes.back());
  return path;
}

void PathfinderCanvas::draw_distractors() {
  for (std::int64_t i = 0; i < rules_.n_distractors; ++i) {
    for (int attempt = 0; attempt < kDistractorTries; ++attempt) {
      const Picture mask = mask_;
      if (const auto path = try_distractor()) {
        draw(*path, rules_.distractor_contrast);
        break;
      }
      mask_ = mask;
    }
  }
}

}  // namespace krait
