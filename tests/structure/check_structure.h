#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace krait {

struct StructureReport {
  std::vector<std::string> faults;  // "path:line: what is wrong"
  std::string summary;              // a line for each room, then number and sizes of the files
};

/// Checks the source tree at `root` against the plan of the house.
StructureReport check_structure(const std::filesystem::path& root);

/// Checks check_structure on trees with one fault each; 0 when it finds them all, else 1.
int structure_self_test();

}  // namespace krait
