// The lines of a text file that may be larger than memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/system/hash.h"
#include "data/files/byte_stream.h"

namespace krait {

/// Reads a file line by line, in memory for its longest line, and hashes it meanwhile.
class LineReader {
 public:
  /// Throws MissingInput and Io.
  explicit LineReader(const std::filesystem::path& path);

  /// The next line without its line feed, valid until the next call; nothing at the end. A last
  /// line without a line feed counts. Throws BadData for a line of more than 64 MiB.
  std::optional<std::string_view> next();
  /// The number of the last line, counted from 1.
  std::uint64_t number() const { return number_; }
  /// "FILE:LINE" of the last line, for messages.
  std::string where() const;
  /// The SHA-256 of the file so far; of all of it once next() has returned nothing.
  std::string sha256() const { return hash_.hex(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  bool fill();

  std::filesystem::path path_;
  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;  // what was read and not yet returned starts at begin_
  std::size_t begin_ = 0;
  std::uint64_t number_ = 0, bytes_ = 0;
  Sha256 hash_;
};

}  // namespace krait
