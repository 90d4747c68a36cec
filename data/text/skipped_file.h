#pragma once
#include <filesystem>
#include <string>

namespace krait {

/// An input file that was left out.
struct SkippedFile {
  std::filesystem::path path;
  std::string reason;
};

}  // namespace krait
