// The label of an image of Pathfinder, found from its pixels.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/lra/pathfinder/dashes.h"
#include "data/lra/pathfinder/rules.h"

namespace krait {

/// Fills from one disc along the dashes until it comes to the other disc, or to nowhere. A dash
/// counts as seen where the image is nowhere darker than it and, outside of the discs, mostly not
/// brighter; what the fill goes to next is each
/// dash that continues the last one by the rules of the generator. So it uses all that is known
/// about how images are drawn, and nothing of how this one was drawn.
///
/// It errs where two paths touch: they may, since the generator does not keep the growing ends
/// apart, which all images of the benchmark have in common.
class PathfinderFloodFill {
 public:
  explicit PathfinderFloodFill(const PathfinderRules& rules);

  /// 0 or 1; nothing when there are not two discs (or one: then they coincide, which is 1).
  std::optional<std::int32_t> label(std::span<const std::uint8_t> pixels) const;
  /// The centres of the discs of an image.
  std::vector<Pixel> markers(std::span<const std::uint8_t> pixels) const;

 private:
  /// An image, and where a disc hides what is below it.
  struct View {
    std::span<const std::uint8_t> pixels;
    std::vector<bool> hidden;
  };
  /// Whether a dash can be where the image shows what it shows. Below: only if it lies below
  /// others.
  enum class Sight : std::uint8_t { No, Below, Yes };
  bool leads(const DashTable& table, const View& view, Pixel from, Pixel to) const;
  Sight look(const Dash& dash, Pixel at, const View& view) const;
  bool is_marker(Pixel at, std::span<const std::uint8_t> pixels) const;
  ShrunkPart marker(Pixel at) const;

  PathfinderRules rules_;
  std::vector<DashTable> tables_;  // one for each gap
  double brightest_ = 1;           // of a disc, and so of an image
};

}  // namespace krait
