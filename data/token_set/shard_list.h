// shards.json: which shards a folder must hold to be a whole set.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace krait {

/// A finished shard on the disk.
struct FinishedShard {
  std::string name;  // of the file
  std::string content_sha256;
};

/// Whether `folder` has a shards.json.
bool is_shard_folder(const std::filesystem::path& folder);

/// Writes the shards.json of a folder: {"format": "krait-token-set-shards", "shards": [[name,
/// content_sha256], ...]}.
void write_shard_list(const std::filesystem::path& folder,
                      const std::vector<FinishedShard>& shards);

/// The shards of a folder that is a token set: its .h5 files in the order of their names, without
/// those that start with a dot. Throws BadData when there is no shard, and when a shards.json names
/// others, such as after an incomplete copy.
std::vector<std::filesystem::path> shards_in(const std::filesystem::path& folder);

}  // namespace krait
