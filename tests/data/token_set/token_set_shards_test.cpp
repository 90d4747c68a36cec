#include <gtest/gtest.h>

#include "data/token_set/shard_list.h"
#include "data/token_set/token_set.h"
#include "tests/data/build/sample_documents.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class TokenSetShards : public ::testing::Test {
 protected:
  TokenSetShards() {
    std::filesystem::create_directory(directory_ / "set");
    for (std::size_t i = 0; i < 4; ++i) {
      const Documents part = random_documents(3 + 5 * i, 30, 257, i + 1);
      write_set(shard(i), ByteTokenizer(), part);
      documents_.insert(documents_.end(), part.begin(), part.end());
    }
    write_set(directory_ / "whole.h5", ByteTokenizer(), documents_);
  }
  std::filesystem::path shard(std::size_t i) const {
    return directory_ / str("set/part-", i, ".h5");
  }
  TemporaryDirectory directory_;
  Documents documents_;
};

TEST_F(TokenSetShards, AreOneSetInTheOrderOfTheirNames) {
  const TokenSet set(directory_ / "set"), whole(directory_ / "whole.h5");
  EXPECT_EQ(set.info().n_shards, 4u);
  EXPECT_EQ(set.n_tokens(), whole.n_tokens());
  EXPECT_EQ(set.n_documents(), whole.n_documents());
  EXPECT_EQ(all_tokens(set), flat(documents_, 256));
  EXPECT_TRUE(std::ranges::equal(set.document_offsets(), whole.document_offsets()));
  std::vector<std::uint64_t> progress;
  set.verify([&](std::uint64_t done) { progress.push_back(done); });
  EXPECT_EQ(progress.size(), 4u);
  EXPECT_EQ(progress.back(), set.n_tokens());
}

TEST_F(TokenSetShards, CopiesAndDocumentsAcrossShardsAreThoseOfOneFile) {
  const TokenSet set(directory_ / "set"), whole(directory_ / "whole.h5");
  for (std::uint64_t first = 0; first <= whole.n_tokens(); first += 3) {
    for (std::uint64_t size = 0; size <= whole.n_tokens() - first; size += 41) {
      std::vector<std::int32_t> a(size), b(size);
      set.copy(first, a);
      whole.copy(first, b);
      ASSERT_EQ(a, b) << first << ", " << size;
      std::vector<std::uint64_t> starts, expected;
      set.document_starts(first, first + size, starts);
      for (std::size_t i = 0; i < whole.n_documents(); ++i) {
        const std::uint64_t start = whole.document_offsets()[i];
        if (start >= first && start < first + size) expected.push_back(start);
      }
      ASSERT_EQ(starts, expected) << first << ", " << size;
      starts.clear();
      whole.document_starts(first, first + size, starts);
      ASSERT_EQ(starts, expected) << first << ", " << size;
    }
  }
  std::vector<std::int32_t> one(1);
  expect_error(ErrorKind::Contract, {"inside"}, [&] { set.copy(set.n_tokens(), one); });
}

TEST_F(TokenSetShards, StoredTokensEndWithTheirShard) {
  const TokenSet set(directory_ / "set");
  std::uint64_t first = 0, pieces = 0;
  for (; first < set.n_tokens(); ++pieces) {
    const auto bytes = set.stored(first, set.n_tokens());
    const auto* tokens = reinterpret_cast<const std::uint16_t*>(bytes.data());
    std::vector<std::int32_t> copied(bytes.size() / 2);
    set.copy(first, copied);
    ASSERT_TRUE(std::equal(copied.begin(), copied.end(), tokens));
    first += copied.size();
  }
  EXPECT_EQ(pieces, 4u);
}

TEST_F(TokenSetShards, TheIdentityIsThatOfAllShardsInTheirOrder) {
  const std::string identity = TokenSet(directory_ / "set").info().content_sha256;
  EXPECT_NE(identity, TokenSet(shard(0)).info().content_sha256);
  std::filesystem::rename(shard(1), directory_ / "set/part-9.h5");
  EXPECT_NE(TokenSet(directory_ / "set").info().content_sha256, identity);
  std::filesystem::rename(directory_ / "set/part-9.h5", shard(1));
  EXPECT_EQ(TokenSet(directory_ / "set").info().content_sha256, identity);
  std::filesystem::create_directory(directory_ / "one");
  std::filesystem::copy_file(shard(2), directory_ / "one/x.h5");
  EXPECT_EQ(TokenSet(directory_ / "one").info().content_sha256,
            TokenSet(shard(2)).info().content_sha256);
}

TEST_F(TokenSetShards, AListedShardThatIsMissingAndAnUnlistedOneAreErrors) {
  std::vector<FinishedShard> list;
  for (std::size_t i = 0; i < 4; ++i) list.push_back({shard(i).filename(), "hash"});
  write_shard_list(directory_ / "set", list);
  EXPECT_EQ(TokenSet(directory_ / "set").info().n_shards, 4u);
  std::filesystem::rename(shard(1), directory_ / "away.h5");
  expect_error(ErrorKind::BadData, {"set' lacks the shard part-1.h5"},
               [&] { TokenSet(directory_ / "set"); });
  std::filesystem::rename(directory_ / "away.h5", shard(1));
  std::filesystem::copy_file(shard(2), directory_ / "set/copy.h5");
  expect_error(ErrorKind::BadData, {"also holds copy.h5"}, [&] { TokenSet(directory_ / "set"); });
  write_quickly(directory_ / "set/shards.json", "[]");
  expect_error(ErrorKind::BadData, {"shards.json' is damaged"},
               [&] { TokenSet(directory_ / "set"); });
}

TEST_F(TokenSetShards, OfAnotherTokenizerIsNoShard) {
  write_set(shard(4), NumberTokenizer(257), random_documents(3, 5, 257, 1));
  expect_error(ErrorKind::BadData, {"part-4.h5' was made with another tokenizer (numbers-257)"},
               [&] { TokenSet(directory_ / "set"); });
}

TEST_F(TokenSetShards, DamageNamesTheShard) {
  std::fstream file(shard(2), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(4096 + 10);
  file.put('\xff');
  file.close();
  expect_error(ErrorKind::BadData, {"part-2.h5'"}, [&] { TokenSet(directory_ / "set").verify(); });
}

}  // namespace
}  // namespace krait
