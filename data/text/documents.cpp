#include "data/text/documents.h"

#include <memory>
#include <vector>

#include "data/text/encoder.h"
#include "data/text/reader.h"

namespace krait {
namespace {

/// The parts of a document, put together again; without a copy where they lie in one map.
class Joined {
 public:
  void add(const TextPiece& piece) {
    if (text_.empty()) {
      text_ = piece.text, holder_ = piece.holder;
    } else if (holder_ == piece.holder && text_.data() + text_.size() == piece.text.data()) {
      text_ = {text_.data(), text_.size() + piece.text.size()};
    } else {
      if (own_.empty()) own_ = text_;
      own_ += piece.text;
      text_ = own_;
      holder_.reset();
    }
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::shared_ptr<const void> holder_;
  std::string own_;
};

}  // namespace

std::optional<std::string> visit_documents(const TextSource& source, const std::string& text_field,
                                           const VisitDocument& visit) {
  const std::vector<TextSource> sources{source};
  const ByteTokenizer anywhere;  // parts are put together again, so any cut will do
  TextReader reader(sources, anywhere, {}, {});
  Joined document;
  while (const auto piece = reader.next()) {
    switch (piece->kind) {
      case TextPiece::Kind::Lines:
        visit_lines(*piece, source, text_field, [&](const std::string& text, const TextPosition&) {
          visit(text, piece->input_bytes);
        });
        break;
      case TextPiece::Kind::Part:
        document.add(*piece);
        break;
      case TextPiece::Kind::LastPart:
        document.add(*piece);
        visit(document.text(), piece->input_bytes);
        break;
      case TextPiece::Kind::Skipped:
        return piece->reason;
    }
  }
  return std::nullopt;
}

}  // namespace krait
