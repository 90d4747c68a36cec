// The dashes of Pathfinder in every direction, drawn once.
#pragma once
#include <cstdint>
#include <vector>

#include "data/lra/pathfinder/rules.h"
#include "data/lra/pathfinder/shrink.h"

namespace krait {

/// A pixel with a value above 0, by its offset from the pixel that a dash starts at.
struct DashPixel {
  std::int32_t y = 0, x = 0;
  double value = 0;
};

struct Dash {
  std::vector<DashPixel> line;  // brightness, to be scaled by a contrast
  /// 0 to 1: what other dashes must keep away from, the dash grown by the gap; the largest first.
  std::vector<DashPixel> room;
  /// What a new path must find free: a pixel aside, as in the original.
  std::vector<Pixel> needs;
};

/// A direction that a path can start in.
struct StartDirection {
  std::size_t dash = 0;   // drawn from the tail along the direction
  Pixel head;             // from the tail
  Pixel pivot;            // of the dash, from the head
  Pixel next_pivot;       // of the next dash, from this one's
  std::size_t turns = 0;  // its row of turn_weights
};

/// A direction that the next dash of a path can have.
struct NextDirection {
  Pixel head;             // from the pivot of the dash
  std::size_t dash = 0;   // drawn from the head back to the pivot
  Pixel next_pivot;       // of the dash after it, from this one's
  std::size_t turns = 0;  // its row of turn_weights
};

/// The tables of one gap. A dash of a path lies on the outer `dash_length` pixels of a radius of
/// dash_length + gap around its pivot; the next pivot is dash_length + 2 gap along.
class DashTable {
 public:
  DashTable(const PathfinderRules& rules, std::int64_t gap);

  const Dash& dash(std::size_t index) const { return dashes_[index]; }
  /// One for each whole degree.
  const std::vector<StartDirection>& starts() const { return starts_; }
  /// One for each pixel of a circle around the pivot.
  const std::vector<NextDirection>& directions() const { return directions_; }
  /// How much each of directions() weighs behind a dash of a direction: cos^2 of the turn times the
  /// continuity, 0 from a right angle on.
  const std::vector<double>& turn_weights(std::size_t turns) const { return turn_weights_[turns]; }
  std::int64_t gap() const { return gap_; }
  /// Offsets of a disc with the radius of the gap.
  const std::vector<Pixel>& gap_disc() const { return gap_disc_; }

 private:
  void add_starts();
  void add_directions();
  std::size_t add_turns(double angle);
  std::size_t dash_towards(double angle);
  Dash draw(Pixel head) const;
  Pixel step(double angle) const;

  PathfinderRules rules_;
  std::int64_t gap_;
  std::vector<Pixel> gap_disc_;
  std::vector<Dash> dashes_;
  std::vector<Pixel> heads_;  // of the dashes, in the large picture
  std::vector<StartDirection> starts_;
  std::vector<NextDirection> directions_;
  std::vector<double> turn_angles_;  // of the rows of turn_weights
  std::vector<std::vector<double>> turn_weights_;
};

/// The pixels of a disc on a picture: (y, x) with y^2 + x^2 <= radius^2, around a centre.
std::vector<Pixel> disc(double radius, Pixel centre = {});

/// Those of a disc of the image around a pixel, on the large picture; what is outside is left out.
std::vector<Pixel> marker_pixels(const PathfinderRules& rules, Pixel at);

}  // namespace krait
