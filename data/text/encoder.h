// Encodes documents to token ids on all threads, in the order of the files.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/text/reader.h"
#include "data/tokenizer/tokenizer.h"

namespace krait {

/// A document from a line of JSON.
struct EncodedLine {
  std::size_t end = 0;           // of its ids, which start at the end of the previous document's
  TextPosition after;            // the place after it
  std::uint64_t empty_ones = 0;  // lines without text between it and the previous document
};

/// An encoded piece of text.
struct EncodedPiece {
  TextPiece piece;  // without its text
  std::vector<std::int32_t> ids;
  std::vector<EncodedLine> lines;  // documents, when the piece is of Lines
  std::uint64_t empty_ones = 0;    // lines without text after the last document
};

struct TextEncoderOptions {
  TextReaderOptions reader;
  std::string text_field;  // of a JSON line
};

/// Appends the ids of `text` to `ids` piece by piece, so that the memory of the tokenizer does not
/// grow with the text.
void encode_text(std::string_view text, const Tokenizer& tokenizer, std::vector<std::int32_t>& ids);

/// The same on all threads: sink(ids) is called on the calling thread, in the order of the text.
void encode_text_in_parallel(std::string_view text, const Tokenizer& tokenizer,
                             const std::function<void(std::span<const std::int32_t>)>& sink);

/// Calls visit(text, place after the line) for every line of JSON in a piece that is not blank.
/// Throws BadData, "file:line: ...", for a line without the field.
void visit_lines(const TextPiece& piece, const TextSource& source, const std::string& text_field,
                 const std::function<void(std::string, const TextPosition&)>& visit);

/// Reads ahead on its own thread and encodes in a parallel_for. Only the number of pieces that come
/// at a time depends on the number of threads. Takes the memory of three batches of text, each of
/// max(4 MiB, 1 MiB per thread) or one piece, and the ids of one batch.
class TextEncoder {
 public:
  /// `sources` and `tokenizer` must outlive it; encode() is called from several threads.
  TextEncoder(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
              const TextEncoderOptions& options, TextPosition start);
  ~TextEncoder();
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;

  /// The next pieces; none at the end. Throws what TextReader throws, and BadData, "file:line:
  /// ...", for a line without the field: the first of these errors in the files, after all
  /// documents before it.
  std::vector<EncodedPiece> next();

 private:
  class ReadAhead;
  const std::vector<TextSource>& sources_;
  const Tokenizer& tokenizer_;
  TextEncoderOptions options_;
  std::unique_ptr<ReadAhead> reader_;
  std::exception_ptr failure_;
};

}  // namespace krait
