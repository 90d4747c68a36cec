#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace krait {

/// The six tasks of the Long Range Arena (Tay et al. 2020, arXiv:2011.04006). PathX is Pathfinder
/// with images of 128 x 128 pixels.
enum class LraTask : std::uint8_t { ListOps, Text, Retrieval, Image, Pathfinder, PathX };
inline constexpr std::array kLraTaskNames{"listops", "text",       "retrieval",
                                          "image",   "pathfinder", "pathx"};

inline std::string_view name_of(LraTask task) {
  return kLraTaskNames.at(static_cast<std::size_t>(task));
}

/// Which data this is. Official: read from files whose counts and statistics are those of the
/// release. Subset: read from files in the official format that are not the whole release.
/// Regenerated: drawn by this project's generator, by the rules of the benchmark.
enum class DataOrigin : std::uint8_t { Official, Subset, Regenerated };

constexpr std::string_view name_of(DataOrigin origin) {
  constexpr std::string_view kNames[] = {"official", "subset", "regenerated"};
  return kNames[static_cast<std::size_t>(origin)];
}

}  // namespace krait
