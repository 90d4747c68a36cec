#include "data/unicode/utf8_stream.h"

#include "data/unicode/utf8.h"

namespace krait {

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Piece piece = first_utf8_piece(rest);
    if (piece.kind == Utf8Piece::Kind::Unfinished) break;
    text += piece.kind == Utf8Piece::Kind::Character ? rest.substr(0, piece.bytes)
                                                     : kReplacementCharacter;
    rest.remove_prefix(piece.bytes);
  }
  pending_ = std::string(rest);
  return text;
}

std::string Utf8Stream::finish() {
  const std::string text(pending_.empty() ? std::string_view() : kReplacementCharacter);
  pending_.clear();
  return text;
}

}  // namespace krait
