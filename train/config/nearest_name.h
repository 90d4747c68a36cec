// "Did you mean": the known name that a mistyped one is closest to.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate with the smallest edit distance to `name`, the first of equals; empty when none
/// is within a third of the name's length (at least 2 edits; 1 for names of up to 3 letters).
/// Letter case does not count.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace krait
