// Published models among the golden files.
#pragma once
#include <filesystem>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "tests/support/golden.h"

namespace krait {

/// The directories of models that hold `file`, but for those of Mamba-2.
inline std::vector<std::filesystem::path> golden_models_with(std::string_view file) {
  std::vector<std::filesystem::path> models;
  for (const auto& entry : std::filesystem::directory_iterator(golden_file(""))) {
    if (!std::filesystem::exists(entry.path() / file)) continue;
    const auto config = nlohmann::json::parse(read_file(entry.path() / "config.json"));
    if (config.at("model_type") != "mamba2") models.push_back(entry.path());
  }
  return models;
}

}  // namespace krait
