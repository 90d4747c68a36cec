// The parameters of the images of Pathfinder.
#pragma once
#include <cstdint>
#include <vector>

namespace krait {

/// How an image of Pathfinder is drawn: two paths of `contour_length` dashes, a disc at the start
/// of one, a disc at the end of the same path (label 1) or of the other (label 0), and shorter
/// paths that distract.
struct PathfinderRules {
  std::int64_t window = 32;            // side of the image, pixels
  std::int64_t padding = 1;            // of its border, which nothing may touch
  std::int64_t dash_length = 2;        // pixels
  double dash_thickness = 0.5;         // pixels
  std::vector<std::int64_t> gaps{1};   // pixels between dashes; one is drawn for each image
  double marker_radius = 1.5;          // pixels
  std::int64_t contour_length = 14;    // dashes of a path
  std::int64_t distractor_length = 4;  // dashes of one that distracts
  std::int64_t n_distractors = 5;
  double continuity = 1;           // the larger, the straighter is a path
  std::int64_t seed_distance = 7;  // pixels between the starts of the two paths
  double path_contrast = 1.3005;   // of their dashes, in units of the discs
  double distractor_contrast = 1.734;
  std::int64_t oversampling = 2;  // dashes and discs are drawn at twice the size and shrunk
};

/// The rules of the benchmark: the parameters that the documentation of its data sets gives for a
/// window of 32, 64 or 128 (Path-X), and a contour_length of 6 ("baseline"), 9 or 14 ("hard").
///
/// Contrasts are those of the documentation (1.5 and 2 for a window of 32, 0.8, 0.9) divided by
/// 1.1534. With that, dashes and discs of a window of 32 are those of a published image, pixel for
/// pixel; for the larger windows it is a conclusion.
///
/// Throws Usage for another window or contour_length.
PathfinderRules pathfinder_rules(std::int64_t window, std::int64_t contour_length);

}  // namespace krait
