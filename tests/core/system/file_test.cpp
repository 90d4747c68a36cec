#include "core/system/file.h"

#include <csignal>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/system/hash.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = (fs::temp_directory_path() / "krait-file-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { fs::remove_all(directory_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }
  fs::path directory_;
};

// Runs `body` and returns the Error that it throws.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::Contract, "nothing was thrown");
}

void expect_mentions(const Error& error, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
        << "'" << part << "' is not in: " << error.what();
  }
  EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
}

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const fs::path path = directory_ / "file";
  for (const std::size_t size : {0ul, 1ul, 4096ul, 3'000'001ul}) {
    std::string text(size, 'x');
    if (size > 2) text[size / 2] = '\0';
    write_file_atomic(path, text);
    EXPECT_EQ(read_file(path), text);
    EXPECT_EQ(file_sha256(path), sha256_hex(text));
    const MappedFile map(path);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(map.bytes().data()), map.size()),
              text);
  }
  EXPECT_EQ(entries(), 1u) << "temporary files were left";
}

TEST_F(FileTest, AFileNameWithoutADirectoryIsInTheCurrentOne) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_);
  write_file_atomic("plain", "text");
  EXPECT_EQ(read_file("plain"), "text");
  fs::current_path(before);
}

TEST_F(FileTest, SaysWhatIsAtAPath) {
  write_file_atomic(directory_ / "file", "text");
  fs::create_symlink("absent", directory_ / "dangling");
  fs::create_directory_symlink(".", directory_ / "link");
  EXPECT_TRUE(path_exists(directory_));
  EXPECT_TRUE(path_exists(directory_ / "file"));
  EXPECT_TRUE(directory_exists(directory_ / "link"));
  EXPECT_FALSE(directory_exists(directory_ / "file"));
  for (const char* nothing : {"absent", "absent/file", "file/below", "dangling"}) {
    EXPECT_FALSE(path_exists(directory_ / nothing)) << nothing;
    EXPECT_FALSE(directory_exists(directory_ / nothing)) << nothing;
  }
}

TEST_F(FileTest, APathThatCannotBeFollowedIsAnIoErrorWithAdvice) {
  fs::create_symlink("loop", directory_ / "loop");
  const std::string long_name(300, 'x');
  for (const auto& [path, advice] : {std::pair{directory_ / "loop" / "file", "symbolic links"},
                                     std::pair{directory_ / long_name, "shorter"}}) {
    for (const Error& error :
         {error_of([&] { path_exists(path); }), error_of([&] { directory_exists(path); })}) {
      EXPECT_EQ(error.kind(), ErrorKind::Io);
      expect_mentions(error, {"cannot inspect '" + path.string() + "'", advice});
    }
  }
}

TEST_F(FileTest, WhatTheStandardThrowsBecomesAnErrorWithPathsAndAdvice) {
  const auto error_of_standard = [](auto&& body) {
    try {
      body();
    } catch (const fs::filesystem_error& error) {
      return io_error(error);
    }
    return Error(ErrorKind::Contract, "nothing was thrown");
  };
  const fs::path from = directory_ / "absent", to = directory_ / "to";
  const Error missing = error_of_standard([&] { fs::rename(from, to); });
  EXPECT_EQ(missing.kind(), ErrorKind::MissingInput);
  expect_mentions(missing, {"cannot use '" + from.string() + "' with '" + to.string() + "'",
                            "No such file or directory", "check the path"});
  const Error full =
      io_error(fs::filesystem_error("x", std::make_error_code(std::errc::no_space_on_device)));
  EXPECT_EQ(full.kind(), ErrorKind::Io);
  expect_mentions(full, {"the current directory", "free space"});
}

TEST_F(FileTest, AMissingFileIsMissingInputAndNamed) {
  const fs::path path = directory_ / "absent";
  for (const auto& read : std::vector<std::function<void()>>{
           [&] { read_file(path); }, [&] { file_sha256(path); }, [&] { MappedFile map(path); }}) {
    const Error error = error_of(read);
    EXPECT_EQ(error.kind(), ErrorKind::MissingInput);
    expect_mentions(error, {"cannot open '", "absent'", "No such file", "check the path"});
  }
}

TEST_F(FileTest, AMissingDirectoryForTheTargetIsMissingInputAndTheTargetIsNamed) {
  const Error error = error_of([&] { write_file_atomic(directory_ / "no" / "file", "x"); });
  EXPECT_EQ(error.kind(), ErrorKind::MissingInput);
  expect_mentions(error, {"cannot create '", "no/file'"});
}

TEST_F(FileTest, ADirectoryIsNotAFile) {
  expect_mentions(error_of([&] { read_file(directory_); }), {"directory; name a file"});
  expect_mentions(error_of([&] { MappedFile map(directory_); }), {"directory; name a file"});
}

TEST_F(FileTest, OnlyRegularFilesAreMapped) {
  const fs::path fifo = directory_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const Error error = error_of([&] { MappedFile map(fifo); });
  EXPECT_EQ(error.kind(), ErrorKind::BadData);
  expect_mentions(error, {"fifo' is not a regular file"});
}

TEST_F(FileTest, AFileWithoutASizeIsReadToItsEnd) {
  EXPECT_NE(read_file("/proc/self/status").find("Name:"), std::string::npos);
}

TEST_F(FileTest, ReadRefusesMoreThanTheLimit) {
  write_file_atomic(directory_ / "ten", "0123456789");
  EXPECT_EQ(read_file(directory_ / "ten", 10).size(), 10u);
  const Error error = error_of([&] { read_file(directory_ / "ten", 9); });
  EXPECT_EQ(error.kind(), ErrorKind::BadData);
  expect_mentions(error, {"ten'", "larger than the 9 bytes"});
}

TEST_F(FileTest, AFailedWriteKeepsTheOldFileAndLeavesNothing) {
  const fs::path path = directory_ / "file";
  write_file_atomic(path, "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error error = error_of([&] { write_file_atomic(path, std::string(5000, 'n')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(error.kind(), ErrorKind::Io);
  expect_mentions(error, {"cannot write '", "/file'", "File too large"});
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AFullDiskSaysSoAndWhatToDo) {
  const FileDescriptor full(::open("/dev/full", O_WRONLY));
  if (!full) GTEST_SKIP() << "SKIP: there is no /dev/full";
  const std::byte byte{};
  const Error error = error_of([&] { write_all(full, {&byte, 1}, "/dev/full"); });
  EXPECT_EQ(error.kind(), ErrorKind::Io);
  expect_mentions(error, {"'/dev/full'", "the disk is full; free space and start again"});
}

// A process killed while it writes leaves its temporary file; the next write removes that one and
// not those of living writers.
TEST_F(FileTest, FilesOfKilledWritersAreRemovedAndThoseOfLivingOnesAreNot) {
  const fs::path path = directory_ / "file";
  const pid_t child = ::fork();
  if (child == 0) {
    const TemporaryFile abandoned(path);
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_EQ(entries(), 1u);
  const TemporaryFile living(path);
  EXPECT_EQ(entries(), 1u) << "the killed writer's file is still there";
  write_file_atomic(path, "new");
  EXPECT_TRUE(fs::exists(living.path()));
  EXPECT_EQ(entries(), 2u);
}

TEST_F(FileTest, ANamelessFileIsWrittenAndReadAndLeavesNoEntry) {
  const FileDescriptor file = make_unnamed_file(directory_ / "target");
  EXPECT_EQ(entries(), 0u);
  write_all(file, std::as_bytes(std::span(std::string_view("text"))), directory_ / "target");
  char read[4] = {};
  EXPECT_EQ(::pread(file.get(), read, 4, 0), 4);
  EXPECT_EQ(std::string_view(read, 4), "text");
  EXPECT_EQ(entries(), 0u);
  const Error missing = error_of([&] { make_unnamed_file(directory_ / "absent/target"); });
  EXPECT_EQ(missing.kind(), ErrorKind::MissingInput);
  expect_mentions(missing, {"create", "absent/target"});
}

TEST_F(FileTest, WhatIsLeftOfATargetIsRemovedOnDemand) {
  const TemporaryFile living(directory_ / "target");
  std::ofstream(directory_ / ".target.tmp-1-1") << "left over";
  std::ofstream(directory_ / ".other.tmp-1-1") << "of another one";
  remove_stale_temporaries(directory_ / "target");
  EXPECT_FALSE(fs::exists(directory_ / ".target.tmp-1-1"));
  EXPECT_TRUE(fs::exists(directory_ / ".other.tmp-1-1"));
  EXPECT_TRUE(fs::exists(living.path()));
}

TEST_F(FileTest, ConcurrentWritersLeaveOneWholeFile) {
  const fs::path path = directory_ / "file";
  {
    std::vector<std::jthread> writers;
    for (char c = 'a'; c < 'e'; ++c) {
      writers.emplace_back([&, c] {
        for (int i = 0; i < 20; ++i) write_file_atomic(path, std::string(10'000, c));
      });
    }
  }
  const std::string text = read_file(path);
  EXPECT_EQ(text, std::string(10'000, text[0]));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AMapKeepsTheFileThatWasOpened) {
  const fs::path path = directory_ / "file";
  write_file_atomic(path, "old");
  MappedFile map(path);
  write_file_atomic(path, "new!");
  const MappedFile moved = std::move(map);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(moved.bytes().data()), moved.size()),
            "old");
}

}  // namespace
}  // namespace krait
