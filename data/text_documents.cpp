#include "data/text_documents.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "data/json_text.h"
#include "data/text_reader.h"

namespace krait {
namespace {

void visit_lines(const TextPiece& piece, const TextSource& source, const std::string& text_field,
                 const std::function<void(std::string_view text)>& visit) {
  std::string_view rest = piece.text;
  for (std::uint64_t line = piece.begin.line + 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = rest.substr(0, end);
    if (!is_blank_line(text)) {
      visit(json_text_field(text, text_field, str(source.path.string(), ":", line)));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

}  // namespace

void visit_documents(const TextSource& source, const std::string& text_field,
                     const std::function<void(std::string_view text)>& visit) {
  const std::vector<TextSource> sources{source};
  const ByteTokenizer anywhere;  // pieces are put together again, so any cut will do
  TextReader reader(sources, anywhere, {}, {});
  std::string text;
  while (const auto piece = reader.next()) {
    switch (piece->kind) {
      case TextPiece::Kind::Lines:
        visit_lines(*piece, source, text_field, visit);
        break;
      case TextPiece::Kind::Part:
        text += piece->text;
        break;
      case TextPiece::Kind::LastPart:
        text += piece->text;
        visit(text);
        break;
      case TextPiece::Kind::Skipped:
        throw Error(ErrorKind::BadData, str("'", source.path.string(), "' is no text (",
                                            piece->reason, "); give a text or JSONL file."));
    }
  }
}

}  // namespace krait
