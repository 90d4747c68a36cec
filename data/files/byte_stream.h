// Bytes of a file, read in order and decompressed while they are read, in constant memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace krait {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Reads up to out.size() >= 1 bytes; returns how many, 0 only at the end.
  virtual std::size_t read(std::span<std::byte> out) = 0;
  /// Bytes of the file on the disk that have been read so far.
  virtual std::uint64_t source_bytes() const = 0;
};

enum class Compression : std::uint8_t { None, Gzip, Zstd };

/// The compression that the name says: .gz, .zst or none.
Compression compression_of(const std::filesystem::path& path);

/// The contents of a file. Throws MissingInput and Io, BadData for a directory.
std::unique_ptr<ByteStream> open_stream(const std::filesystem::path& path, Compression compression);

/// Decompresses the gzip data (RFC 1952) of `source`: one or several members, with zeros allowed
/// after the last one. Throws BadData starting with `where` for anything else, for damage (each
/// member has a CRC-32) and when the end is missing.
std::unique_ptr<ByteStream> decompress_gzip(std::unique_ptr<ByteStream> source, std::string where);

/// The same for Zstandard data (RFC 8878): one or several frames, also skippable ones. Frames that
/// need a window of more than 128 MiB are refused, so that a file cannot choose the memory.
std::unique_ptr<ByteStream> decompress_zstd(std::unique_ptr<ByteStream> source, std::string where);

}  // namespace krait
