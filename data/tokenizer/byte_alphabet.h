// The alphabet in which byte-level vocabularies write bytes, one character each, so that tokens are
// text.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace krait {

/// The characters that stand for bytes 0 to 255: printable bytes of Latin-1 stand for themselves,
/// the others are, in order, U+0100 and following (a blank is U+0120). GPT-2's bytes_to_unicode.
const std::array<char32_t, 256>& byte_alphabet();

/// Converts bytes to text, and back; the latter returns nothing when a character of the (valid)
/// text stands for no byte.
std::string to_byte_alphabet(std::string_view bytes);
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace krait
