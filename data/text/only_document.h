// The document of sources that hold only one.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/system/file.h"
#include "data/text/encoder.h"

namespace krait {

class OnlyDocument {
 public:
  /// Takes the first document. Memory-mapped where it is a file that is not compressed; otherwise
  /// in memory, and BadData above max_line_bytes.
  OnlyDocument(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
               const TextEncoderOptions& options);
  std::string_view text() const { return text_; }

 private:
  bool take(const TextPiece& piece, const TextSource& source, const TextEncoderOptions& options);

  MappedFile map_;
  std::string held_;
  std::string_view text_;
};

}  // namespace krait
