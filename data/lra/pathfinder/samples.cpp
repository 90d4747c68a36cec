#include "data/lra/pathfinder/samples.h"

#include <utility>

#include "core/error.h"

namespace krait {

PathfinderSamples::PathfinderSamples(std::shared_ptr<const PathfinderGenerator> generator,
                                     std::uint64_t seed, Range range)
    : generator_(std::move(generator)), seed_(seed), range_(range) {
  KRAIT_REQUIRE(range.size >= 1, "[PathfinderSamples] there must be an image.");
}

Sample PathfinderSamples::get(std::uint64_t index) const {
  KRAIT_REQUIRE(index < size(), "[PathfinderSamples] index ", index, " must be < ", size(), ".");
  const PathfinderImage image = generator_->draw(seed_, range_.first + index);
  return {.inputs = {image.pixels.begin(), image.pixels.end()}, .targets = {image.label}};
}

}  // namespace krait
