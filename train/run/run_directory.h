// The folder of a run: its files, its lock and its log.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/system/file.h"

namespace krait {

/// Makes a directory to be filled. Throws Usage when it exists and is not empty, Io when it cannot
/// be made.
void make_empty_directory(const std::filesystem::path& directory);

/// The folder of a run, used by one process at a time:
///   config.yaml (resolved), metrics.jsonl, log.txt, checkpoints/, samples/
class RunDirectory {
 public:
  /// Makes the folder if it does not exist, and locks it. Throws Io, also when another process has
  /// locked it.
  explicit RunDirectory(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path sample(std::int64_t step) const;

  /// Appends a line with the time of day to log.txt.
  void log(std::string_view line);

 private:
  std::filesystem::path path_;
  FileDescriptor lock_;
  FileDescriptor log_;
};

}  // namespace krait
