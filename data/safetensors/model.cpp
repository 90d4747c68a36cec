#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/files/strict_json.h"
#include "data/safetensors/safetensors.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxIndex = 64 << 20;  // a million arrays

std::string shown(const fs::path& path) {
  return "'" + path.string() + "'";
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && name.ends_with(".safetensors");
}

/// Array name to file name.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const std::string where = shown(index);
  const json value = parse_strict_json(read_file(index, kMaxIndex), where);
  KRAIT_CHECK(BadData, value.contains("weight_map") && value["weight_map"].is_object(), where,
              " has no weight_map.");
  std::map<std::string, std::string> weight_map;
  for (const auto& [name, file] : value["weight_map"].items()) {
    KRAIT_CHECK(BadData, file.is_string() && is_plain_name(file.get<std::string>()), where,
                " must list plain names of .safetensors files beside it; that of '", name,
                "' is not one.");
    weight_map[name] = file.get<std::string>();
  }
  KRAIT_CHECK(BadData, !weight_map.empty(), where, " lists no arrays.");
  return weight_map;
}

}  // namespace

bool has_safetensors(const fs::path& directory) {
  return path_exists(directory / kSingle) || path_exists(directory / kIndex);
}

SafetensorsModel::SafetensorsModel(const fs::path& directory) {
  if (path_exists(directory / kSingle)) {
    add_file(directory / kSingle);
  } else {
    KRAIT_CHECK(MissingInput, path_exists(directory / kIndex), "there is neither ", kSingle,
                " nor ", kIndex, " in ", shown(directory), ".");
    read_index(directory, directory / kIndex);
  }
  std::sort(arrays_.begin(), arrays_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(arrays_.begin(), arrays_.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  KRAIT_CHECK(BadData, twice == arrays_.end(), "two of the shards in ", shown(directory),
              " hold the array '", twice == arrays_.end() ? "" : twice->name, "'.");
}

void SafetensorsModel::read_index(const fs::path& directory, const fs::path& index) {
  const auto weight_map = read_weight_map(index);
  std::map<std::string, std::set<std::string>> listed;  // by file
  for (const auto& [name, file] : weight_map) listed[file].insert(name);
  for (const auto& [file, names] : listed) {
    const std::size_t before = arrays_.size();
    add_file(directory / file);
    for (std::size_t i = before; i < arrays_.size(); ++i) {
      KRAIT_CHECK(BadData, names.contains(arrays_[i].name), shown(directory / file),
                  " holds the array '", arrays_[i].name, "', which ", shown(index),
                  " does not list there.");
    }
    KRAIT_CHECK(BadData, arrays_.size() - before == names.size(), shown(directory / file),
                " holds ", arrays_.size() - before, " arrays, but ", shown(index), " lists ",
                names.size(), "; copy or download the directory again.");
  }
}

void SafetensorsModel::add_file(const fs::path& file) {
  maps_.emplace_back(file, MappedFile::Access::Sequential);
  SafetensorsContents contents = parse_safetensors(maps_.back().bytes(), shown(file));
  std::move(contents.arrays.begin(), contents.arrays.end(), std::back_inserter(arrays_));
  files_.push_back(file);
}

const SafetensorsArray* SafetensorsModel::find(std::string_view name) const {
  const auto at = std::lower_bound(arrays_.begin(), arrays_.end(), name,
                                   [](const auto& a, std::string_view b) { return a.name < b; });
  return at != arrays_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace krait
