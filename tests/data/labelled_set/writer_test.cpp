// The writing side of data/labelled_set/labelled_set.h.
#include "data/labelled_set/writer.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "data/labelled_set/format.h"
#include "tests/data/labelled_set/sample_sets.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(LabelledSetWriter, RefusesWhatTheDescriptionExcludesAndEmptySets) {
  const TemporaryDirectory directory;
  const auto path = directory / "made" / "set.h5";
  LabelledSetWriter writer(path, token_description(10));
  const std::vector<std::int32_t> good{0, 9}, negative{-1}, large{10}, empty;
  const auto refuse = [&](std::string_view part, auto&& body) {
    expect_error(ErrorKind::Contract, {part}, body);
  };
  refuse("0 to 9, got -1", [&] { writer.add(0, {negative}); });
  refuse("0 to 9, got 10", [&] { writer.add(0, {large}); });
  refuse("must not be empty", [&] { writer.add(0, {empty}); });
  refuse("labels must be 0 to 2, got 3", [&] { writer.add(3, {good}); });
  refuse("must have 1 inputs", [&] { writer.add(0, {good, good}); });
  expect_error(ErrorKind::BadData, {"set.h5'", "no example"}, [&] { writer.prepare("{}"); });
  EXPECT_EQ(writer.n_examples(), 0u);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LabelledSetWriter, LeavesTheOldSetUntilCommitAndNothingWhenItIsDropped) {
  const TemporaryDirectory directory;
  const auto path = directory / "set.h5";
  write_labelled_set(path, token_description(), {{{{1}}, 0}});
  const std::string old = file_sha256(path);
  {
    LabelledSetWriter writer(path, token_description());
    const std::vector<std::int32_t> ids{1, 2};
    writer.add(1, {ids});
    writer.prepare("{}");
    EXPECT_EQ(file_sha256(path), old);
  }
  EXPECT_EQ(file_sha256(path), old);
  EXPECT_EQ(directory.entries(), 1u);
}

// A full disk at every stage, by a limit on the size of files.
TEST(LabelledSetWriter, AFullDiskKeepsTheOldSetAndLeavesNothing) {
  const TemporaryDirectory directory;
  const auto path = directory / "set.h5";
  write_labelled_set(path, token_description(), {{{{1}}, 0}});
  const Examples examples{{{std::vector<std::int32_t>(1'500'000, 7)}, 1}};
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  // In the spool, in its second block, and in the tokens of the HDF5 file.
  for (const rlim_t allowed : {1000u, 2'500'000u, 3'000'002u}) {
    const rlimit small{.rlim_cur = allowed, .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error(ErrorKind::Io, {"set.h5'", "File too large"},
                 [&] { write_labelled_set(path, token_description(), examples); });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(LabelledSet(path).n_examples(), 1u);
    EXPECT_EQ(directory.entries(), 1u);
  }
  std::signal(SIGXFSZ, handler);
}

}  // namespace
}  // namespace krait
