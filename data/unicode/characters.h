// Properties of characters that tokenizers need: their classes and the normal form NFC.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace krait {

/// Bits of a character's properties. They are those of the `tokenizers` library
/// (data/unicode/class_table.h, data/unicode/nfc_table.h), not of the newest Unicode.
namespace unicode_property {
inline constexpr std::uint8_t kLetter = 1;  // \p{L}
inline constexpr std::uint8_t kNumber = 2;  // \p{N}
inline constexpr std::uint8_t kBlank = 4;   // \s
inline constexpr std::uint8_t kWord = 8;    // \w
inline constexpr std::uint8_t kContinues =
    16;                                       // NFC may change it, or order it, with what precedes
inline constexpr std::uint8_t kChanges = 32;  // is not its own NFC
/// A character has at most one of these three.
inline constexpr std::uint8_t kClass = kLetter | kNumber | kBlank;
}  // namespace unicode_property

/// The properties of the 0x110000 code points, by code point; those of the surrogates are 0. Made
/// at the first call.
const std::uint8_t* unicode_properties();

/// The NFC of a valid text: the text itself if it has no character that NFC may change, else a copy
/// in `buffer`. Takes time n log n, and the memory of the longest run of characters that are
/// combined.
std::string_view to_nfc(std::string_view text, std::string& buffer);

}  // namespace krait
