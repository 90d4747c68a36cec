// Files that survive a crash, and errors that say which file and what to do.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace krait {

/// Throws the Error for a failed system call: kind MissingInput for ENOENT and ENOTDIR, Io
/// otherwise; the message is "cannot <action> '<path>': <strerror>; <advice>".
[[noreturn]] void throw_io_error(std::string_view action, const std::filesystem::path& path,
                                 int error_number);

/// The same for what a function of std::filesystem threw: "cannot use '<path>': ...".
Error io_error(const std::filesystem::filesystem_error& error);

/// Whether there is anything, or a directory, at `path`; links are followed. They throw the Error
/// of a failed system call when the system does not say, as for a name that is too long.
bool path_exists(const std::filesystem::path& path);
bool directory_exists(const std::filesystem::path& path);

/// Makes a directory and its parents where they do not exist. Does nothing for an empty path.
void make_directories(const std::filesystem::path& path);

/// A file descriptor that is closed when the object is destroyed. Movable.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void close() noexcept;

 private:
  int fd_ = -1;
};

/// Opens for reading (close-on-exec). Throws when that fails or the path is a directory.
FileDescriptor open_for_reading(const std::filesystem::path& path);

/// Writes all bytes at the current position, also across signals and short writes. `path` names the
/// file in the error.
void write_all(const FileDescriptor& file, std::span<const std::byte> bytes,
               const std::filesystem::path& path);

/// The whole contents. Throws BadData when there are more than `max_bytes`.
std::string read_file(const std::filesystem::path& path,
                      std::size_t max_bytes = std::numeric_limits<std::size_t>::max());

/// Makes `path` hold exactly `bytes`, durably. A crash, a full disk or a concurrent reader at any
/// moment finds either the old file or the new one, whole. The directory must exist.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes);
inline void write_file_atomic(const std::filesystem::path& path, std::string_view text) {
  write_file_atomic(path, std::as_bytes(std::span(text)));
}

/// Waits until the contents of the file, or the entries of the directory, are on the disk.
void fsync_file(const std::filesystem::path& path);
void fsync_directory(const std::filesystem::path& directory);

/// The lower-case hexadecimal SHA-256 of a file's contents.
std::string file_sha256(const std::filesystem::path& path);

/// An open file for reading and writing without a name, in the directory of `beside`, which names
/// it in the error. It disappears when its descriptor closes, however the process ends.
FileDescriptor make_unnamed_file(const std::filesystem::path& beside);

/// Removes the files of TemporaryFiles for `target` that killed processes left behind.
void remove_stale_temporaries(const std::filesystem::path& target);

/// A new empty file next to `target` (".<name>.tmp-<random>") that replaces it on commit() and is
/// removed otherwise. Construction removes files that killed processes left there for the same
/// target; a lock on each file tells them from the files of living processes.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path target);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& target() const { return target_; }
  const FileDescriptor& descriptor() const { return file_; }  // open for reading and writing
  /// Waits until the contents are on the disk: afterwards nothing can fail for lack of space.
  void sync() const;
  /// fsync, rename over the target, fsync of the directory. To be called once.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path path_;
  FileDescriptor file_;
  bool committed_ = false;
};

/// A regular file seen as read-only memory. It keeps the file that was opened, even if another one
/// is renamed over it. If the file itself is truncated, access past the new end is a SIGBUS;
/// nothing in Krait truncates a file in place.
class MappedFile {
 public:
  enum class Access : std::uint8_t { Sequential, Random };

  MappedFile() = default;
  /// Throws MissingInput or Io, or BadData for a file that is not regular or whose last byte cannot
  /// be read.
  explicit MappedFile(const std::filesystem::path& path, Access access = Access::Random);
  /// Maps a file that is already open; `path` names it in errors. The descriptor may be closed
  /// afterwards.
  MappedFile(int descriptor, const std::filesystem::path& path, Access access = Access::Random);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  /// Asks the system to read a part of bytes() ahead.
  void prefetch(std::span<const std::byte> part) const;
  /// Tells the system how a part of bytes() will be read from now on.
  void expect(std::span<const std::byte> part, Access access) const;

 private:
  void advise(std::span<const std::byte> part, int advice) const;

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace krait
