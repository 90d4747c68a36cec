// White space as Python sees it, in UTF-8.
#pragma once
#include <cstddef>
#include <string_view>

namespace krait {

/// Bytes of the white space character that `text` starts with at `at`; 0 when another starts there.
/// White space is what Python's str.isspace, str.strip and \s of its regular expressions take for
/// it, U+0085, U+00A0 and the like included. Bytes that are no UTF-8 are not white space.
std::size_t white_space_at(std::string_view text, std::size_t at);

/// `text` without the white space at its start, end, or both.
std::string_view strip_start(std::string_view text);
std::string_view strip_end(std::string_view text);
std::string_view strip(std::string_view text);

}  // namespace krait
