// The writing side of data/token_set/token_set.h.
#include "data/token_set/writer.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/token_set/format.h"
#include "tests/data/build/sample_documents.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

TEST(TokenSetWriter, RefusesIdsOutsideTheVocabularyAndEmptySets) {
  const TemporaryDirectory directory;
  TokenSetWriter writer(directory / "set.h5", ByteTokenizer());
  for (const std::int32_t id : {-1, 257}) {
    expect_error(ErrorKind::Contract, {"0 to 256"}, [&] { writer.append(std::vector{id}); });
  }
  expect_error(ErrorKind::BadData, {"set.h5'", "no document"}, [&] { writer.prepare("{}"); });
  EXPECT_FALSE(fs::exists(directory / "set.h5"));
}

TEST(TokenSetWriter, AMissingDirectoryIsMissingInput) {
  expect_error(ErrorKind::MissingInput, {"/no/such/set.h5'"},
               [] { TokenSetWriter("/no/such/set.h5", ByteTokenizer()); });
}

TEST(TokenSetWriter, LeavesTheOldSetUntilCommitAndNothingWhenItIsDropped) {
  const TemporaryDirectory directory;
  write_set(directory / "set.h5", ByteTokenizer(), {{1}});
  const std::string old = file_sha256(directory / "set.h5");
  {
    TokenSetWriter writer(directory / "set.h5", ByteTokenizer());
    writer.append(std::vector<std::int32_t>{1, 2});
    writer.end_document();
    writer.prepare("{}");
    EXPECT_EQ(file_sha256(directory / "set.h5"), old);
  }
  EXPECT_EQ(file_sha256(directory / "set.h5"), old);
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(TokenSetWriter, AKilledWriterLeavesTheOldSetAndTheNextOneCleansUp) {
  const TemporaryDirectory directory;
  write_set(directory / "set.h5", ByteTokenizer(), {{1}});
  const pid_t child = ::fork();
  if (child == 0) {
    TokenSetWriter writer(directory / "set.h5", ByteTokenizer());
    writer.append(std::vector<std::int32_t>(token_set_format::kBlockTokens + 5, 1));
    writer.end_document();
    writer.prepare("{}");
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_GT(directory.entries(), 1u);
  EXPECT_EQ(TokenSet(directory / "set.h5").n_tokens(), 2u);
  write_set(directory / "set.h5", ByteTokenizer(), {{1, 2, 3}});
  EXPECT_EQ(TokenSet(directory / "set.h5").n_tokens(), 4u);
  EXPECT_EQ(directory.entries(), 1u);
}

// A full disk at every stage, by a limit on the size of files.
TEST(TokenSetWriter, AFullDiskKeepsTheOldSetAndLeavesNothing) {
  const TemporaryDirectory directory;
  write_set(directory / "set.h5", ByteTokenizer(), {{1}});
  const Documents documents{std::vector<std::int32_t>(1'500'000, 7)};
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  // In the spool, in its second block, in the tokens of the HDF5 file, and in its last pages.
  for (const rlim_t allowed : {1000u, 2'500'000u, 3'000'002u, 3'004'100u, 3'012'000u}) {
    const rlimit small{.rlim_cur = allowed, .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error(ErrorKind::Io, {"set.h5'", "File too large"},
                 [&] { write_set(directory / "set.h5", ByteTokenizer(), documents); });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(directory.entries(), 1u) << allowed;
    EXPECT_EQ(TokenSet(directory / "set.h5").n_tokens(), 2u);
  }
  std::signal(SIGXFSZ, handler);
  write_set(directory / "set.h5", ByteTokenizer(), documents);
  EXPECT_EQ(TokenSet(directory / "set.h5").n_tokens(), 1'500'001u);
}

}  // namespace
}  // namespace krait
