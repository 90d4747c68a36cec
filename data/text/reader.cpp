#include "data/text/reader.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/system/file.h"

namespace krait {

/// What of a file can be seen. The whole of a mapped file; of a stream, what has been read ahead.
class TextReader::Window {
 public:
  explicit Window(const TextSource& source) {
    if (source.compression == Compression::None) {
      map_ = std::make_shared<MappedFile>(source.path, MappedFile::Access::Sequential);
      rest_ = {reinterpret_cast<const char*>(map_->bytes().data()), map_->size()};
    } else {
      stream_ = open_stream(source.path, source.compression);
    }
  }

  /// The next `bytes` bytes, or what is left.
  std::string_view peek(std::size_t bytes) {
    if (map_) return rest_.substr(0, bytes);
    read_to(bytes + 1);  // one more, to know whether there is one
    return std::string_view(*buffer_).substr(0, bytes);
  }
  /// Whether `bytes` bytes, which have been peeked at, are all that is left.
  bool is_last(std::size_t bytes) const { return bytes >= (map_ ? rest_.size() : buffer_->size()); }
  /// Goes past the next `bytes` bytes, which have been peeked at; they live as long as the holder.
  std::pair<std::string_view, std::shared_ptr<const void>> take(std::size_t bytes) {
    if (map_) {
      const std::string_view text = rest_.substr(0, bytes);
      rest_.remove_prefix(bytes);
      return {text, map_};
    }
    auto rest = std::make_shared<std::string>(buffer_->substr(bytes));
    std::swap(rest, buffer_);
    return {std::string_view(*rest).substr(0, bytes), rest};
  }
  void skip(std::uint64_t bytes) {
    while (bytes > 0) {
      const std::size_t step = peek(std::min<std::uint64_t>(bytes, kPiece)).size();
      if (step == 0) return;  // the file has changed meanwhile; there is no more of it
      take(step);
      bytes -= step;
    }
  }
  std::uint64_t source_bytes() const {
    return map_ ? map_->size() - rest_.size() : stream_->source_bytes();
  }

 private:
  void read_to(std::size_t bytes) {
    while (buffer_->size() < bytes && !ended_) {
      const std::size_t before = buffer_->size();
      buffer_->resize(std::min(bytes, before + kPiece));
      const std::size_t n =
          stream_->read(std::as_writable_bytes(std::span(*buffer_).subspan(before)));
      buffer_->resize(before + n);
      ended_ = n == 0;
    }
  }

  std::shared_ptr<MappedFile> map_;
  std::string_view rest_;  // of the map
  std::unique_ptr<ByteStream> stream_;
  std::shared_ptr<std::string> buffer_ = std::make_shared<std::string>();
  bool ended_ = false;
};

TextReader::TextReader(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                       const TextReaderOptions& options, TextPosition start)
    : sources_(sources), tokenizer_(tokenizer), options_(options), at_(start) {
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(at_.file, sources.size()); ++i) {
    bytes_before_ += sources[i].bytes;
  }
}

TextReader::~TextReader() = default;

void TextReader::open() {
  window_ = std::make_unique<Window>(sources_[at_.file]);
  window_->skip(at_.offset);
  blank_ = at_.offset == 0;
}

void TextReader::close() {
  window_.reset();
  bytes_before_ += sources_[at_.file].bytes;
  at_ = {.file = at_.file + 1};
}

std::optional<TextPiece> TextReader::next() {
  while (at_.file < sources_.size()) {
    if (!window_) open();
    if (!sources_[at_.file].is_jsonl) return next_part();
    if (auto piece = next_lines()) return piece;
  }
  return std::nullopt;
}

TextPiece TextReader::take(TextPiece::Kind kind, std::size_t bytes) {
  TextPiece piece{.kind = kind, .begin = at_};
  std::tie(piece.text, piece.holder) = window_->take(bytes);
  piece.input_bytes = bytes_before_ + window_->source_bytes();
  at_.offset += bytes;
  return piece;
}

TextPiece TextReader::skip(std::string reason) {
  TextPiece piece{.kind = TextPiece::Kind::Skipped, .begin = at_, .reason = std::move(reason)};
  close();
  piece.input_bytes = bytes_before_;
  return piece;
}

void TextReader::throw_too_long(std::string_view what) const {
  const TextSource& source = sources_[at_.file];
  throw Error(ErrorKind::BadData,
              str(source.path.string(), source.is_jsonl ? str(":", at_.line + 1) : "", ": ", what,
                  " ", options_.max_line_bytes,
                  " bytes; check that it is text, or allow more (`max_line_bytes`)."));
}

std::optional<TextPiece> TextReader::next_lines() {
  for (std::size_t bytes = kPiece;; bytes *= 2) {
    bytes = std::min<std::size_t>(bytes, options_.max_line_bytes + 1);
    const std::string_view text = window_->peek(bytes);
    std::size_t end = text.rfind('\n') + 1;  // npos + 1 is 0
    if (end == 0) {
      if (text.size() > options_.max_line_bytes) throw_too_long("the line is longer than");
      if (!window_->is_last(text.size())) continue;
      end = text.size();  // the last line need not end
    }
    if (end == 0) break;
    TextPiece piece = take(TextPiece::Kind::Lines, end);
    at_.line += static_cast<std::uint64_t>(std::ranges::count(piece.text, '\n'));
    if (piece.text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
      bytes = kPiece / 2;
      continue;
    }
    blank_ = false;
    return piece;
  }
  if (blank_) return skip("empty");
  close();
  return std::nullopt;
}

TextPiece TextReader::next_part() {
  for (std::size_t bytes = kPiece;; bytes *= 2) {
    bytes = std::min<std::size_t>(bytes, options_.max_line_bytes + 1);
    const std::string_view text = window_->peek(bytes);
    const bool last = window_->is_last(text.size());
    if (last && text.empty() && at_.offset == 0) return skip("empty");
    const std::size_t cut = last ? text.size() : tokenizer_.safe_cut(text);
    if (const auto nul = text.substr(0, cut).find('\0'); nul != std::string_view::npos) {
      return skip(str("binary: NUL byte at ", at_.offset + nul));
    }
    if (cut == 0 && !last) {
      if (text.size() > options_.max_line_bytes) throw_too_long("has no place to cut within");
      continue;
    }
    TextPiece piece = take(last ? TextPiece::Kind::LastPart : TextPiece::Kind::Part, cut);
    if (last) close();
    return piece;
  }
}

}  // namespace krait
