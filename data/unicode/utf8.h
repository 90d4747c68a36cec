// Bytes that are, or should be, UTF-8.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace krait {

/// U+FFFD, which replaces invalid UTF-8.
inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

/// The start of a text: a character, or a maximal part of one that cannot be continued (Broken) or
/// that the end of the text cuts (Unfinished). Unicode 15, section 3.9: no overlong forms, no
/// surrogates, nothing past U+10FFFF.
struct Utf8Piece {
  std::size_t bytes = 0;  // 1 to 4
  enum class Kind : std::uint8_t { Character, Broken, Unfinished } kind = Kind::Broken;
};

/// The first piece of a text that is not empty.
Utf8Piece first_utf8_piece(std::string_view text);

/// The number of ASCII bytes that the text starts with.
std::size_t ascii_prefix(std::string_view text);

/// The text itself when it is valid, else a copy in `buffer` with each piece that is not a
/// character replaced by U+FFFD, as Python's decode("utf-8", errors="replace") and Rust's
/// from_utf8_lossy do.
std::string_view repaired_utf8(std::string_view text, std::string& buffer);

struct Utf8Character {
  char32_t code = 0;
  unsigned bytes = 0;
};

/// The character at `at`, in valid UTF-8.
inline Utf8Character decode_utf8(const char* at) {
  const auto byte = [at](int i) { return static_cast<char32_t>(static_cast<std::uint8_t>(at[i])); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xe0) return {(byte(0) & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (byte(0) < 0xf0) {
    return {(byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  }
  return {
      (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f),
      4};
}

void append_utf8(char32_t code, std::string& text);

}  // namespace krait
