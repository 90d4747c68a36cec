#include "data/text/only_document.h"

#include "data/files/json_text.h"

namespace krait {

OnlyDocument::OnlyDocument(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                           const TextEncoderOptions& options) {
  TextReader reader(sources, tokenizer, options.reader, {});
  while (const auto piece = reader.next()) {
    const TextSource& source = sources[piece->begin.file];
    if (!take(*piece, source, options)) continue;
    if (!source.is_jsonl && source.compression == Compression::None) {
      map_ = MappedFile(source.path, MappedFile::Access::Sequential);
      text_ = {reinterpret_cast<const char*>(map_.bytes().data()), map_.size()};
    } else {
      text_ = held_;
    }
    return;
  }
}

/// Whether the document ends in this piece.
bool OnlyDocument::take(const TextPiece& piece, const TextSource& source,
                        const TextEncoderOptions& options) {
  if (piece.kind == TextPiece::Kind::Skipped) {
    held_.clear();
    return false;
  }
  if (piece.kind == TextPiece::Kind::Lines) {
    visit_lines(piece, source, options.text_field, [&](std::string text, const TextPosition&) {
      if (held_.empty()) held_ = std::move(text);
    });
    return !held_.empty();
  }
  if (source.compression != Compression::None) {
    held_ += piece.text;
    KRAIT_CHECK(BadData, held_.size() <= options.reader.max_line_bytes, source.path.string(),
                ": is the only document, and more than ", options.reader.max_line_bytes,
                " bytes of it would be held in memory to split it; decompress the file, or allow "
                "more (`max_line_bytes`).");
  }
  return piece.kind == TextPiece::Kind::LastPart;
}

}  // namespace krait
