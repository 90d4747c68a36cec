// Arrays of an HDF5 file that are read through a memory map, and the hashes of their blocks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/system/file.h"
#include "data/hdf5/hdf5.h"

namespace krait {

/// The bytes of a contiguous dataset of that type and of rank 1 in the map of its file. Throws
/// BadData, with `advice` at the end of the message, for any other dataset, for an empty one, and
/// for one that is not inside the file.
std::span<const std::byte> mapped_bytes(const Hdf5File& file, std::string_view dataset,
                                        Hdf5Type type, const MappedFile& map,
                                        std::string_view advice);

template <class T>
std::span<const T> mapped_array(const Hdf5File& file, std::string_view dataset, Hdf5Type type,
                                const MappedFile& map, std::string_view advice) {
  const auto bytes = mapped_bytes(file, dataset, type, map, advice);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

/// The SHA-256 of each block of an array, as BlockSpool takes them.
class BlockHashes {
 public:
  BlockHashes() = default;
  /// Reads the dataset with the hashes of an array of `n_bytes`. Throws BadData unless it has one
  /// hash per block.
  BlockHashes(const Hdf5File& file, std::string_view dataset, std::uint64_t n_bytes,
              std::uint64_t block_bytes, std::string_view advice);

  std::span<const std::uint8_t> bytes() const { return hashes_; }
  std::uint64_t n_blocks() const { return hashes_.size() / 32; }
  /// Hashes `count` blocks of the mapped array from block `first` on, in parallel. Returns the
  /// first one with another hash.
  std::optional<std::uint64_t> first_bad(std::span<const std::byte> array, const MappedFile& map,
                                         std::uint64_t first, std::uint64_t count) const;

 private:
  std::uint64_t block_bytes_ = 1;
  std::vector<std::uint8_t> hashes_;
};

}  // namespace krait
