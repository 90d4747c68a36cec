#include "data/unicode/utf8.h"

#include <cstring>

namespace krait {
namespace {

/// Bytes of the character that starts with `lead`; 0 if none does.
std::size_t length_of(unsigned lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/// Whether `second` may follow `lead`: no overlong forms, no surrogates, nothing past U+10FFFF.
bool may_follow(unsigned lead, unsigned second) {
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

/// The length of the valid part that the text starts with.
std::size_t valid_prefix(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    at += ascii_prefix(text.substr(at));
    if (at == text.size()) return at;
    const Utf8Piece piece = first_utf8_piece(text.substr(at));
    if (piece.kind != Utf8Piece::Kind::Character) return at;
    at += piece.bytes;
  }
}

}  // namespace

Utf8Piece first_utf8_piece(std::string_view text) {
  using Kind = Utf8Piece::Kind;
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = length_of(byte(0));
  if (length == 0) return {.bytes = 1, .kind = Kind::Broken};
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {.bytes = i, .kind = Kind::Unfinished};
    const bool good = i == 1 ? may_follow(byte(0), byte(1)) : (byte(i) & 0xc0) == 0x80;
    if (!good) return {.bytes = i, .kind = Kind::Broken};
  }
  return {.bytes = length, .kind = Kind::Character};
}

std::size_t ascii_prefix(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & kHighBits) != 0) break;
  }
  while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

std::string_view repaired_utf8(std::string_view text, std::string& buffer) {
  std::size_t valid = valid_prefix(text);
  if (valid == text.size()) return text;
  buffer.clear();
  for (;;) {
    buffer += text.substr(0, valid);
    text.remove_prefix(valid);
    if (text.empty()) return buffer;
    buffer += kReplacementCharacter;
    text.remove_prefix(first_utf8_piece(text).bytes);
    valid = valid_prefix(text);
  }
}

void append_utf8(char32_t code, std::string& text) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

}  // namespace krait
