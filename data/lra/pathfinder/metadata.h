// The metadata of a release of Pathfinder: files named .npy that are text, a line for each image:
//
//   imgs/<batch> sample_<n>.png n label continuity contour_length distractor_length paddle_length
//   paddle_thickness paddle_margin n_contrasts
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/lra/pathfinder/rules.h"

namespace krait {

struct PathfinderRecord {
  std::filesystem::path image;  // imgs/<batch>/sample_<n>.png
  std::int32_t label = 0;
  friend bool operator==(const PathfinderRecord&, const PathfinderRecord&) = default;
};

/// Reads a metadata file. Throws MissingInput, Io; BadData, naming file and line, for a line with
/// other than 11 columns, a label that is not 0 or 1 and a path that leads out of the folder, and
/// for a file in NumPy's binary format.
std::vector<PathfinderRecord> read_pathfinder_metadata(const std::filesystem::path& path);

/// The line of an image that was drawn, with its line feed.
std::string pathfinder_metadata_line(const PathfinderRules& rules, std::int64_t gap,
                                     std::uint64_t batch, std::uint64_t number, std::int32_t label);

}  // namespace krait
