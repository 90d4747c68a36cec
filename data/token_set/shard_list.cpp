#include "data/token_set/shard_list.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/system/file.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kName = "shards.json";
constexpr std::string_view kFormat = "krait-token-set-shards";
constexpr std::size_t kMaxBytes = std::size_t{1} << 26;

/// The names in a shards.json.
std::vector<std::string> listed_names(const fs::path& list) {
  const Json json = Json::parse(read_file(list, kMaxBytes), nullptr, /*allow_exceptions=*/false);
  const bool ours = json.is_object() && json.value("format", Json()) == kFormat &&
                    json.contains("shards") && json["shards"].is_array();
  KRAIT_CHECK(BadData, ours, "'", list.string(),
              "' is damaged; copy the folder again or rebuild it.");
  std::vector<std::string> names;
  for (const Json& shard : json["shards"]) {
    KRAIT_CHECK(BadData, shard.is_array() && !shard.empty() && shard[0].is_string(), "'",
                list.string(), "' is damaged; copy the folder again or rebuild it.");
    names.push_back(shard[0]);
  }
  return names;
}

}  // namespace

bool is_shard_folder(const fs::path& folder) {
  return path_exists(folder / kName);
}

void write_shard_list(const fs::path& folder, const std::vector<FinishedShard>& shards) {
  Json json{{"format", kFormat}, {"shards", Json::array()}};
  for (const FinishedShard& shard : shards) {
    json["shards"].push_back({shard.name, shard.content_sha256});
  }
  write_file_atomic(folder / kName, json.dump(1) + "\n");
}

std::vector<fs::path> shards_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path name = entry.path().filename();
    if (name.extension() == ".h5" && !name.string().starts_with(".")) names.push_back(name);
  }
  if (error) throw_io_error("list the folder", folder, error.value());
  std::ranges::sort(names);
  KRAIT_CHECK(BadData, !names.empty(), "'", folder.string(),
              "' holds no .h5 file; name a token set or a folder of shards.");
  if (is_shard_folder(folder)) {
    std::vector<std::string> listed = listed_names(folder / kName);
    std::ranges::sort(listed);
    const auto missing = std::ranges::find_if(
        listed, [&](const auto& name) { return !std::ranges::binary_search(names, name); });
    KRAIT_CHECK(BadData, missing == listed.end(), "'", folder.string(), "' lacks the shard ",
                *missing, "; copy it again or rebuild the set.");
    const auto strange = std::ranges::find_if(
        names, [&](const auto& name) { return !std::ranges::binary_search(listed, name); });
    KRAIT_CHECK(BadData, strange == names.end(), "'", folder.string(), "' also holds ", *strange,
                ", which is not one of its shards; move it away.");
  }
  std::vector<fs::path> paths;
  for (const std::string& name : names) paths.push_back(folder / name);
  return paths;
}

}  // namespace krait
