#include "data/encode_pieces.h"

namespace krait {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

void encode_pieces(
    const Tokenizer& tokenizer, std::string_view text,
    const std::function<void(std::span<const std::int32_t> ids, std::size_t bytes)>& on_ids) {
  std::size_t piece = kPiece;
  while (!text.empty()) {
    const bool last = text.size() <= piece;
    const std::size_t cut = last ? text.size() : tokenizer.safe_cut(text.substr(0, piece));
    if (cut == 0) {
      piece *= 2;
      continue;
    }
    on_ids(tokenizer.encode(text.substr(0, cut)), cut);
    text.remove_prefix(cut);
    piece = kPiece;
  }
}

}  // namespace krait
