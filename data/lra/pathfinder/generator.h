// Images of Pathfinder (Linsley, Kim, Veerabadran, Serre 2018, "Learning long-range spatial
// dependencies with horizontal gated-recurrent units"), as the Long Range Arena draws them.
#pragma once
#include <cstdint>
#include <vector>

#include "data/lra/pathfinder/dashes.h"
#include "data/lra/pathfinder/rules.h"

namespace krait {

struct PathfinderImage {
  std::vector<std::uint8_t> pixels;  // window^2, row by row
  std::int32_t label = 0;            // 1: the discs are on one path
  std::int64_t gap = 0;              // between its dashes, see PathfinderRules
};

/// Draws images. After construction all functions are const and may be called from several threads.
class PathfinderGenerator {
 public:
  explicit PathfinderGenerator(const PathfinderRules& rules);

  const PathfinderRules& rules() const { return rules_; }
  /// Image `index` < 2^40 of a seed: a pure function.
  PathfinderImage draw(std::uint64_t seed, std::uint64_t index) const;

 private:
  PathfinderRules rules_;
  std::vector<DashTable> tables_;  // one for each gap
};

}  // namespace krait
