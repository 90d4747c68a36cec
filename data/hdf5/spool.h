// Buffers on the disk for arrays whose length is known only at their end, before they are written
// to an HDF5 file.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/system/file.h"
#include "data/hdf5/hdf5.h"

namespace krait {

/// A nameless file in the folder of `target`, which is named in errors. It is written from front to
/// back and read anywhere; it disappears when it is destroyed.
class Spool {
 public:
  explicit Spool(const std::filesystem::path& target);

  void append(std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;
  /// Keeps the first `bytes` bytes.
  void cut(std::uint64_t bytes);
  /// Copies the first `count` elements into a new contiguous dataset, in constant memory. `seen`
  /// gets their bytes in order.
  template <class T, class Seen>
  void copy_to(Hdf5File& file, std::string_view dataset, std::uint64_t count, Seen&& seen) const {
    constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
    file.create_dataset<T>(dataset, count, Hdf5Layout::Contiguous);
    std::vector<T> piece;
    for (std::uint64_t first = 0; first < count; first += piece.size()) {
      piece.resize(std::min(kPieceBytes / sizeof(T), count - first));
      read(first * sizeof(T), std::as_writable_bytes(std::span(piece)));
      seen(std::as_bytes(std::span(piece)));
      file.write_at<T>(dataset, first, std::span<const T>(piece));
    }
  }

 private:
  std::filesystem::path target_;
  FileDescriptor file_;
};

/// A spool that also computes the SHA-256 of every `block_bytes` bytes; the last block may be
/// shorter.
class BlockSpool {
 public:
  BlockSpool(const std::filesystem::path& target, std::size_t block_bytes);

  void append(std::span<const std::byte> bytes);
  /// Keeps the first `bytes` bytes.
  void cut(std::uint64_t bytes);
  /// Ends the last block. Nothing is appended afterwards.
  void finish();
  /// 32 bytes per block that is complete.
  const std::vector<std::uint8_t>& hashes() const { return hashes_; }
  /// Comes after finish().
  const Spool& spool() const { return spool_; }

 private:
  void flush();

  Spool spool_;
  std::size_t block_bytes_;
  std::vector<std::byte> block_;  // the incomplete one
  std::vector<std::uint8_t> hashes_;
};

}  // namespace krait
