// Writing with data/hdf5/spool.h, reading back with data/hdf5/mapped_array.h.
#include "data/hdf5/spool.h"

#include <cstring>

#include <gtest/gtest.h>

#include "core/random.h"
#include "core/system/hash.h"
#include "data/hdf5/mapped_array.h"
#include "data/hdf5/narrow.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

constexpr std::size_t kBlock = 64;

std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t stream) {
  const RandomStream random{.seed = 5, .stream = stream};
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(random.bits(i)[0]);
  return bytes;
}

std::vector<std::uint8_t> hashes_of(std::span<const std::byte> bytes) {
  std::vector<std::uint8_t> hashes;
  for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
    const Sha256Digest digest = sha256(bytes.subspan(at, std::min(kBlock, bytes.size() - at)));
    hashes.insert(hashes.end(), digest.begin(), digest.end());
  }
  return hashes;
}

TEST(BlockSpool, EqualsAVectorAfterAnyAppendsAndCuts) {
  const TemporaryDirectory directory;
  BlockSpool spool(directory / "set.h5", kBlock);
  std::vector<std::byte> expected;
  const RandomStream random{.seed = 6};
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::uint64_t draw = random.bits64(i);
    if (draw % 3 == 0) {
      expected.resize(draw / 3 % (expected.size() + 1));
      spool.cut(expected.size());
    } else {
      const auto bytes = random_bytes(draw % 201, i);
      expected.insert(expected.end(), bytes.begin(), bytes.end());
      spool.append(bytes);
    }
  }
  spool.finish();
  ASSERT_GT(expected.size(), 2 * kBlock);
  EXPECT_EQ(spool.hashes(), hashes_of(expected));
  std::vector<std::byte> got(expected.size());
  spool.spool().read(0, got);
  EXPECT_EQ(got, expected);
}

TEST(BlockSpool, BecomesAMappedArrayWhoseDamagedBlockIsFound) {
  const TemporaryDirectory directory;
  const auto path = directory / "set.h5";
  std::vector<std::int32_t> ids(100);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 601);
  BlockSpool spool(path, kBlock);
  append_narrow(spool, 2, ids);
  spool.finish();
  {
    Hdf5File file = Hdf5File::create(path, 4096);
    spool.spool().copy_to<std::uint16_t>(file, "ids", ids.size(), [](auto) {});
    file.write<std::uint8_t>("hashes", {4, 32}, spool.hashes());
    file.close();
  }
  const Hdf5File file = Hdf5File::open(path);
  const MappedFile map(path);
  const auto stored = mapped_bytes(file, "ids", Hdf5Type::U16, map, "");
  std::vector<std::int32_t> got(60);
  EXPECT_EQ(copy_narrow(stored, 2, 40, got), 99u * 601);
  EXPECT_TRUE(std::ranges::equal(got, std::span(ids).subspan(40)));

  const BlockHashes hashes(file, "hashes", stored.size(), kBlock, "");
  EXPECT_EQ(hashes.first_bad(stored, map, 0, 4), std::nullopt);
  std::vector<std::byte> damaged(stored.begin(), stored.end());
  damaged[2 * kBlock] ^= std::byte{1};
  EXPECT_EQ(hashes.first_bad(damaged, map, 0, 4), 2u);
  EXPECT_EQ(hashes.first_bad(damaged, map, 3, 1), std::nullopt);

  expect_error(ErrorKind::BadData, {"'ids'", "contiguous u8", "got u16", "; advice"},
               [&] { mapped_bytes(file, "ids", Hdf5Type::U8, map, "; advice"); });
  expect_error(ErrorKind::BadData, {"'hashes'", "(5, 32)"},
               [&] { BlockHashes(file, "hashes", 4 * kBlock + 1, kBlock, ""); });
}

}  // namespace
}  // namespace krait
