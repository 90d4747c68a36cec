#include "data/hdf5/mapped_array.h"

#include <algorithm>

#include "core/system/hash.h"
#include "core/system/parallel.h"

namespace krait {
namespace {

std::uint64_t bytes_of(Hdf5Type type) {
  switch (type) {
    case Hdf5Type::U8:
      return 1;
    case Hdf5Type::U16:
      return 2;
    case Hdf5Type::U32:
    case Hdf5Type::I32:
    case Hdf5Type::F32:
      return 4;
    case Hdf5Type::U64:
    case Hdf5Type::I64:
    case Hdf5Type::F64:
      return 8;
    case Hdf5Type::Other:
      break;
  }
  KRAIT_REQUIRE(false, "[mapped_bytes] an array of unknown elements cannot be mapped.");
}

}  // namespace

std::span<const std::byte> mapped_bytes(const Hdf5File& file, std::string_view dataset,
                                        Hdf5Type type, const MappedFile& map,
                                        std::string_view advice) {
  const Hdf5DatasetInfo info = file.info(dataset);
  KRAIT_CHECK(BadData, info.contiguous && info.type == type && info.shape.rank() == 1, "'",
              file.path().string(), "', '", dataset, "': must be contiguous ", type,
              " of rank 1, got ", info.type, " of shape ", info.shape, advice, ".");
  const auto size = static_cast<std::uint64_t>(info.shape[0]);
  const std::uint64_t element = bytes_of(type);
  KRAIT_CHECK(BadData,
              size > 0 && info.offset % element == 0 && info.offset <= map.size() &&
                  size <= (map.size() - info.offset) / element,
              "'", file.path().string(), "', '", dataset, "': ", size, " elements at byte ",
              info.offset, " do not fit the file of ", map.size(), " bytes", advice, ".");
  return map.bytes().subspan(info.offset, size * element);
}

BlockHashes::BlockHashes(const Hdf5File& file, std::string_view dataset, std::uint64_t n_bytes,
                         std::uint64_t block_bytes, std::string_view advice)
    : block_bytes_(block_bytes) {
  const auto hashes = file.read<std::uint8_t>(dataset);
  const auto n_blocks = static_cast<std::int64_t>((n_bytes - 1) / block_bytes + 1);
  KRAIT_CHECK(BadData, (hashes.shape == Shape{n_blocks, 32}), "'", file.path().string(), "', '",
              dataset, "': must have shape ", (Shape{n_blocks, 32}), ", got ", hashes.shape, advice,
              ".");
  hashes_ = hashes.values;
}

std::optional<std::uint64_t> BlockHashes::first_bad(std::span<const std::byte> array,
                                                    const MappedFile& map, std::uint64_t first,
                                                    std::uint64_t count) const {
  std::vector<std::uint8_t> bad(count);
  parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::uint64_t>(begin); i < static_cast<std::uint64_t>(end); ++i) {
      const std::uint64_t start = (first + i) * block_bytes_;
      const auto block = array.subspan(start, std::min(block_bytes_, array.size() - start));
      map.prefetch(block);
      const auto expected = std::span(hashes_).subspan(32 * (first + i), 32);
      bad[i] = std::ranges::equal(sha256(block), expected) ? 0 : 1;
    }
  });
  const auto found = std::ranges::find(bad, 1);
  if (found == bad.end()) return std::nullopt;
  return first + static_cast<std::uint64_t>(found - bad.begin());
}

}  // namespace krait
