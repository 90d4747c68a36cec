#include "data/lra/pathfinder/generator.h"

#include <array>

#include "data/lra/pathfinder/canvas.h"

namespace krait {

PathfinderGenerator::PathfinderGenerator(const PathfinderRules& rules) : rules_(rules) {
  for (const std::int64_t gap : rules.gaps) tables_.emplace_back(rules, gap);
}

PathfinderImage PathfinderGenerator::draw(std::uint64_t seed, std::uint64_t index) const {
  PathfinderDraws draws(seed, index);
  const auto label = static_cast<std::int32_t>(draws.below(2));
  const std::size_t gap = draws.below(rules_.gaps.size());
  PathfinderCanvas canvas(rules_, tables_[gap], draws);
  const std::array<PathfinderPath, 2> paths = canvas.draw_paths();
  canvas.draw_distractors();
  const std::size_t marked = draws.below(2);
  canvas.draw_marker(paths.at(marked).first_tip);
  canvas.draw_marker(paths.at(label == 1 ? marked : 1 - marked).last_tip);
  return {.pixels = canvas.levels(), .label = label, .gap = rules_.gaps[gap]};
}

}  // namespace krait
