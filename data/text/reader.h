// Cuts text files and JSON lines into pieces that can be encoded independently.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/source.h"
#include "data/tokenizer/tokenizer.h"

namespace krait {

/// A place between two documents.
struct TextPosition {
  std::uint64_t file = 0;    // number of the source
  std::uint64_t offset = 0;  // in its text, after decompression
  std::uint64_t line = 0;    // lines before it, in a file of JSON lines
  friend bool operator==(const TextPosition&, const TextPosition&) = default;
};

struct TextPiece {
  enum class Kind : std::uint8_t {
    Lines,     // whole lines of JSON
    Part,      // of a text file that continues in the next piece
    LastPart,  // the end of a text file, or all of it
    Skipped,   // the file is left out for `reason`, also the parts of it that came before
  };
  Kind kind = Kind::Lines;
  std::string_view text;
  std::shared_ptr<const void> holder;  // of the text
  TextPosition begin;
  std::uint64_t input_bytes = 0;  // of all files on the disk, up to about the end of the piece
  std::string reason;
};

struct TextReaderOptions {
  /// The longest JSON line, and the longest stretch of a text without a place to cut.
  std::uint64_t max_line_bytes = std::uint64_t{1} << 27;
};

/// Reads sources one after the other. Uncompressed files are memory-mapped, others are streamed.
/// Takes the memory of the pieces in use, each about kPiece bytes, or one line or uncuttable
/// stretch of at most max_line_bytes (twice that while its end is searched).
///
/// A text file that holds a NUL byte is skipped as binary; a file of no bytes, and one of JSON
/// lines with only blanks, is skipped as empty.
class TextReader {
 public:
  static constexpr std::size_t kPiece = std::size_t{1} << 18;

  /// Reads from `start`, the beginning of a document. The arguments must outlive the reader.
  TextReader(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
             const TextReaderOptions& options, TextPosition start);
  ~TextReader();
  /// The next piece; nothing at the end. Throws MissingInput and Io, and BadData for damaged
  /// compression and for a line or stretch that is longer than max_line_bytes.
  std::optional<TextPiece> next();

 private:
  class Window;
  void open();
  void close();
  std::optional<TextPiece> next_lines();
  TextPiece next_part();
  TextPiece take(TextPiece::Kind kind, std::size_t bytes);
  TextPiece skip(std::string reason);
  [[noreturn]] void throw_too_long(std::string_view what) const;

  const std::vector<TextSource>& sources_;
  const Tokenizer& tokenizer_;
  TextReaderOptions options_;
  TextPosition at_;
  std::unique_ptr<Window> window_;  // into the current file
  bool blank_ = true;               // so far, the current file
  std::uint64_t bytes_before_ = 0;  // of the files before the current one
};

}  // namespace krait
