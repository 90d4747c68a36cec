// JSON from files that may be hostile.
#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace krait {

/// Parses one JSON object. Throws BadData, naming `where`, for anything else: invalid JSON or
/// UTF-8, a key that an object has twice (readers differ on which one counts), more than
/// `max_depth` nested objects and arrays. Takes memory in proportion to the text, and no recursion.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where,
                                 int max_depth = 32);

}  // namespace krait
