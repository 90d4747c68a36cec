#include "train/utf8_stream.h"

#include <cstddef>

namespace krait {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

struct Piece {
  std::size_t bytes = 0;
  enum class Kind { Character, Broken, Unfinished } kind = Kind::Broken;
};

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

/// The first piece of a text that is not empty.
Piece first_piece(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = length_of(byte(0));
  if (length == 0) return {.bytes = 1};
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {.bytes = i, .kind = Piece::Kind::Unfinished};
    const bool good = i == 1 ? may_follow(byte(0), byte(1)) : (byte(i) & 0xc0) == 0x80;
    if (!good) return {.bytes = i};
  }
  return {.bytes = length, .kind = Piece::Kind::Character};
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Piece piece = first_piece(rest);
    if (piece.kind == Piece::Kind::Unfinished) break;
    text += piece.kind == Piece::Kind::Character ? rest.substr(0, piece.bytes) : kReplacement;
    rest.remove_prefix(piece.bytes);
  }
  pending_ = std::string(rest);
  return text;
}

std::string Utf8Stream::finish() {
  const std::string text(pending_.empty() ? std::string_view() : kReplacement);
  pending_.clear();
  return text;
}

}  // namespace krait
