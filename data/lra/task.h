// The tasks of the Long Range Arena, and where their data can come from.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "core/names.h"

namespace krait {

/// The six tasks of the Long Range Arena (Tay et al. 2020, arXiv:2011.04006). PathX is Pathfinder
/// with images of 128 x 128 pixels.
enum class LraTask : std::uint8_t { ListOps, Text, Retrieval, Image, Pathfinder, PathX };
template <>
inline constexpr std::array<std::string_view, 6> kNames<LraTask>{
    "listops", "text", "retrieval", "image", "pathfinder", "pathx"};

/// Which data this is. Official: read from files whose counts and statistics are those of the
/// release. Subset: read from files in the official format that are not the whole release.
/// Regenerated: drawn by this project's generator, by the rules of the benchmark.
enum class DataOrigin : std::uint8_t { Official, Subset, Regenerated };
template <>
inline constexpr std::array<std::string_view, 3> kNames<DataOrigin>{"official", "subset",
                                                                    "regenerated"};

}  // namespace krait
