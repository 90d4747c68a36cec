// Images of Pathfinder as training samples that nobody stores.
#pragma once
#include <cstdint>
#include <memory>

#include "data/loader/dataset.h"
#include "data/lra/pathfinder/generator.h"

namespace krait {

/// Images of Pathfinder drawn when they are asked for, such as those of Path-X, and never stored.
/// Sample i is image first + i of the seed: its pixels, 0 to 255, row by row, and its label.
class PathfinderSamples final : public Dataset {
 public:
  struct Range {
    std::uint64_t first = 0, size = 1;
  };
  PathfinderSamples(std::shared_ptr<const PathfinderGenerator> generator, std::uint64_t seed,
                    Range range);
  std::uint64_t size() const override { return range_.size; }
  Sample get(std::uint64_t index) const override;

 private:
  std::shared_ptr<const PathfinderGenerator> generator_;
  std::uint64_t seed_;
  Range range_;
};

}  // namespace krait
