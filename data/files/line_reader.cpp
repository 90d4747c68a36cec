#include "data/files/line_reader.h"

#include <span>

#include "core/error.h"

namespace krait {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr std::size_t kLongestLine = std::size_t{1} << 26;

}  // namespace

LineReader::LineReader(const std::filesystem::path& path)
    : path_(path), stream_(open_stream(path, Compression::None)) {}

std::string LineReader::where() const {
  return str(path_.string(), ":", number_);
}

/// Reads a piece behind what is left of the buffer. Returns false at the end of the file.
bool LineReader::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kPiece);
  const auto piece = std::as_writable_bytes(std::span(buffer_)).subspan(size);
  const std::size_t n = stream_->read(piece);
  buffer_.resize(size + n);
  hash_.update(piece.first(n));
  bytes_ += n;
  return n > 0;
}

std::optional<std::string_view> LineReader::next() {
  std::size_t searched = begin_;
  while (true) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = end + 1;
      ++number_;
      return line;
    }
    const std::size_t left = buffer_.size() - begin_;
    KRAIT_CHECK(BadData, left <= kLongestLine, path_.string(), ":", number_ + 1,
                ": a line must not be longer than ", kLongestLine, " bytes.");
    if (!fill()) {
      if (left == 0) return std::nullopt;
      begin_ = buffer_.size();
      ++number_;
      return buffer_;
    }
    searched = left;
  }
}

}  // namespace krait
