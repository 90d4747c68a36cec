#include "data/lra/pathfinder/rules.h"

#include "core/error.h"

namespace krait {
namespace {

constexpr double kDocumentedContrast = 1.1534;  // of a disc, in the documentation's units

/// The documentation divides a number of dashes by the length of a distractor.
std::int64_t distractor_dashes(std::int64_t window) {
  return window == 32 ? 20 : window == 64 ? 22 : 35;
}

}  // namespace

PathfinderRules pathfinder_rules(std::int64_t window, std::int64_t contour_length) {
  KRAIT_CHECK(Usage, window == 32 || window == 64 || window == 128,
              "the `window` of Pathfinder must be 32, 64 or 128, got ", window, ".");
  KRAIT_CHECK(Usage, contour_length == 6 || contour_length == 9 || contour_length == 14,
              "the `contour_length` of Pathfinder must be 6, 9 or 14, got ", contour_length, ".");
  PathfinderRules rules{.window = window,
                        .contour_length = contour_length,
                        .distractor_length = contour_length / 3,
                        .n_distractors = distractor_dashes(window) / (contour_length / 3)};
  if (window == 32) return rules;
  rules.dash_length = 5;
  rules.dash_thickness = window == 64 ? 1 : 1.5;
  rules.marker_radius = window == 64 ? 2.5 : 3;
  rules.continuity = 1.8;
  rules.seed_distance = window == 64 ? 12 : 20;
  if (window == 128) rules.gaps = {2, 3};
  rules.path_contrast = (window == 64 ? 0.8 : 0.9) / kDocumentedContrast;
  rules.distractor_contrast = rules.path_contrast;
  return rules;
}

}  // namespace krait
