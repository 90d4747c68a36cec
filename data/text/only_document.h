// The only document of a set of sources.
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
  /// Takes the first document. An uncompressed file is memory-mapped; anything else is held in
  /// memory. Throws BadData for more than max_line_bytes in memory.
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
