// The text in a line of JSON.
#pragma once
#include <string>
#include <string_view>

namespace krait {

/// The string `field` of the JSON object in `line`. Throws BadData, "<where>: the line ...", unless
/// the line is valid JSON (UTF-8 included), an object, and has that field once, as a string. Takes
/// a few times the line's size in memory, whatever it holds.
std::string json_text_field(std::string_view line, const std::string& field,
                            const std::string& where);

/// Whether a line holds nothing but blanks, tabs and a carriage return.
bool is_blank_line(std::string_view line);

}  // namespace krait
