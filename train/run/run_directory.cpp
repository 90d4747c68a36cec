#include "train/run/run_directory.h"

#include <cerrno>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace krait {
namespace {

namespace fs = std::filesystem;

FileDescriptor open_or_throw(const fs::path& path, int flags) {
  FileDescriptor file(::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0644));
  if (!file) throw_io_error("open", path, errno);
  return file;
}

}  // namespace

void make_empty_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) throw_io_error("make the directory", directory, error.value());
  KRAIT_CHECK(Usage, fs::is_empty(directory, error) && !error, "'", directory.string(),
              "' is not empty; give a new directory, or empty this one first.");
}

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_ / "samples", error);
  if (!error) fs::create_directories(checkpoints(), error);
  if (error) throw_io_error("make the run directory", path_, error.value());
  lock_ = open_or_throw(path_ / ".lock", O_RDWR);
  KRAIT_CHECK(Io, ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0, "another process is training in '",
              path_.string(), "'; wait for it, or give run.directory another value.");
  log_ = open_or_throw(path_ / "log.txt", O_WRONLY | O_APPEND);
}

fs::path RunDirectory::sample(std::int64_t step) const {
  return path_ / "samples" / fmt::format("step_{:08}.txt", step);
}

void RunDirectory::log(std::string_view line) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const std::string text =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}\n", local.tm_year + 1900,
                  local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, line);
  write_all(log_, std::as_bytes(std::span(text)), path_ / "log.txt");
}

}  // namespace krait
