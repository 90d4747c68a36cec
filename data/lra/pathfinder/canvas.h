// An image of Pathfinder while it is drawn.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/random.h"
#include "data/lra/pathfinder/dashes.h"
#include "data/lra/pathfinder/rules.h"
#include "data/lra/pathfinder/shrink.h"

namespace krait {

/// The random numbers of one image, one after the other.
class PathfinderDraws {
 public:
  /// `index` < 2^40.
  PathfinderDraws(std::uint64_t seed, std::uint64_t index);
  std::size_t below(std::size_t bound);
  double uniform();

 private:
  RandomStream stream_;
  std::uint64_t next_;
};

struct PlacedDash {
  const Dash* dash = nullptr;
  Pixel at;  // where it starts
};

/// A path while it grows.
struct PathfinderPath {
  std::vector<PlacedDash> dashes;  // the mask has no room for the last one yet
  Pixel next_pivot;
  std::size_t turns = 0;  // of the last dash's direction: a row of turn_weights
  Pixel first_tip, last_tip;
};

/// Brightness, and a mask of what is taken, 0 to 1.
class PathfinderCanvas {
 public:
  /// The arguments must outlive it.
  PathfinderCanvas(const PathfinderRules& rules, const DashTable& table, PathfinderDraws& draws);

  /// Two paths that start near each other and do not cross; starts again until both fit. A path
  /// keeps away from what the mask holds, which is every dash but the last of each path: so growing
  /// ends may touch, and what is drawn later may touch the last dash of the first path.
  std::array<PathfinderPath, 2> draw_paths();
  /// Shorter paths. One that does not fit is tried five times, then left out.
  void draw_distractors();
  /// A disc.
  void draw_marker(Pixel at);
  /// In levels of grey; the brightest pixel becomes 255.
  std::vector<std::uint8_t> levels() const;

 private:
  bool inside(Pixel p) const;
  std::int64_t edge(Pixel p) const;
  void clear_mask();
  std::optional<std::array<PathfinderPath, 2>> try_paths();
  std::optional<PathfinderPath> try_distractor();
  std::optional<PathfinderPath> start_anywhere(std::int64_t frame);
  std::optional<PathfinderPath> start_beside(Pixel tail);
  std::optional<PathfinderPath> start_at(Pixel tail, const StartDirection& direction) const;
  bool is_free(Pixel tail, const Dash& dash, std::int64_t frame) const;
  std::optional<Pixel> pick_free(const Dash& dash, std::int64_t frame);
  bool grow(PathfinderPath& path);
  double most_taken(Pixel p) const;
  double weigh(const PathfinderPath& path);
  bool crosses(const PlacedDash& placed) const;
  void draw(const PathfinderPath& path, double contrast);
  void take_room(const PlacedDash& placed);

  const PathfinderRules& rules_;
  const DashTable& table_;
  PathfinderDraws& draws_;
  Picture image_, mask_;
  std::vector<double> weights_;  // of the directions, for the next dash
};

}  // namespace krait
