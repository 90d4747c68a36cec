#include "core/system/file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/system/hash.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kReadBuffer = std::size_t{1} << 20;

std::string_view advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "the disk is full; free space and start again";
    case EDQUOT:
      return "the disk quota is used up; free space and start again";
    case EFBIG:
      return "the file would pass the largest size allowed here (see ulimit -f)";
    case EACCES:
    case EPERM:
      return "check the permissions of the file and its directories";
    case EROFS:
      return "the file system is read-only; choose another directory";
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EISDIR:
      return "it is a directory; name a file";
    case EMFILE:
    case ENFILE:
      return "too many files are open; raise ulimit -n";
    case ENAMETOOLONG:
      return "a name in the path is too long; choose a shorter one";
    case ELOOP:
      return "the path leads through a circle of symbolic links; correct one of them";
    case EXDEV:
      return "the two paths are on different file systems; choose paths on one";
    case EBUSY:
      return "another process uses it; wait, or choose another path";
    case EIO:
      return "the disk reports an error; check its health and the system log";
    default:
      return "check the path and the file system";
  }
}

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

FileDescriptor open_file(const fs::path& path, int flags) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!file) throw_io_error("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_io_error("inspect", path, errno);
  if (S_ISDIR(info.st_mode)) throw_io_error("read", path, EISDIR);
  return file;
}

void fsync_descriptor(const FileDescriptor& file, const fs::path& path) {
  int result;
  do {
    result = ::fsync(file.get());
  } while (result != 0 && errno == EINTR);
  // Some file systems cannot sync directories and say EINVAL: there is nothing more to do there.
  if (result != 0 && errno != EINVAL) throw_io_error("write to disk", path, errno);
}

/// Reads up to bytes.size() bytes; 0 at the end.
std::size_t read_some(const FileDescriptor& file, std::span<std::byte> bytes,
                      const fs::path& path) {
  while (true) {
    const ssize_t n = ::read(file.get(), bytes.data(), bytes.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_io_error("read", path, errno);
  }
}

/// Unlinks the files of `directory` that start with `prefix` and that no living process has locked.
void remove_stale(const fs::path& directory, const std::string& prefix) {
  std::error_code ignored;  // the directory's own errors show when the new file is made
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const FileDescriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
  }
}

std::string temporary_prefix(const fs::path& target) {
  return str(".", target.filename().string(), ".tmp-");
}

/// A name that no other call in this or another living process uses; O_EXCL decides in any case.
std::string unique_suffix() {
  static std::atomic<std::uint64_t> counter{0};
  return str(::getpid(), "-", counter.fetch_add(1));
}

/// `what` is the action and its object.
Error system_error(const std::string& what, int error_number) {
  const bool missing = error_number == ENOENT || error_number == ENOTDIR;
  return {missing ? ErrorKind::MissingInput : ErrorKind::Io,
          str("cannot ", what, ": ", std::strerror(error_number), "; ", advice(error_number), ".")};
}

fs::file_status status_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  // A path that does not exist is an error as well, but one that has a status.
  if (status.type() == fs::file_type::none) throw_io_error("inspect", path, error.value());
  return status;
}

}  // namespace

void throw_io_error(std::string_view action, const fs::path& path, int error_number) {
  throw system_error(str(action, " '", path.string(), "'"), error_number);
}

Error io_error(const fs::filesystem_error& error) {
  std::string what = "use";
  if (error.path1().empty()) what += " the current directory";
  if (!error.path1().empty()) what += str(" '", error.path1().string(), "'");
  if (!error.path2().empty()) what += str(" with '", error.path2().string(), "'");
  return system_error(what, error.code().value());
}

bool path_exists(const fs::path& path) {
  return fs::exists(status_of(path));
}

bool directory_exists(const fs::path& path) {
  return fs::is_directory(status_of(path));
}

void make_directories(const fs::path& path) {
  std::error_code error;
  if (!path.empty()) fs::create_directories(path, error);
  if (error) throw_io_error("make the folder", path, error.value());
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() {
  return std::exchange(fd_, -1);
}

void FileDescriptor::close() noexcept {
  if (const int fd = release(); fd >= 0) ::close(fd);
}

FileDescriptor open_for_reading(const fs::path& path) {
  return open_file(path, 0);
}

void write_all(const FileDescriptor& file, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_io_error("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const FileDescriptor file = open_for_reading(path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_io_error("inspect", path, errno);
  const auto expected = static_cast<std::size_t>(std::max<off_t>(info.st_size, 0));
  std::string text;
  // The size from stat is not enough: pipes and files in /proc have none, and a file may grow.
  for (std::size_t length = 0;;) {
    KRAIT_CHECK(BadData, std::max(length, expected) <= max_bytes, "'", path.string(),
                "' is larger than the ", max_bytes,
                " bytes allowed; check that it is the right file.");
    text.resize(std::max(length + 1, length == 0 ? expected + 1 : length + kReadBuffer));
    const std::size_t n =
        read_some(file, std::as_writable_bytes(std::span(text).subspan(length)), path);
    length += n;
    if (n == 0) {
      text.resize(length);
      return text;
    }
  }
}

void write_file_atomic(const fs::path& path, std::span<const std::byte> bytes) {
  TemporaryFile temporary(path);
  write_all(temporary.descriptor(), bytes, path);
  temporary.commit();
}

void fsync_file(const fs::path& path) {
  fsync_descriptor(open_for_reading(path), path);
}

void fsync_directory(const fs::path& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) throw_io_error("open the directory", directory, errno);
  fsync_descriptor(file, directory);
}

std::string file_sha256(const fs::path& path) {
  const FileDescriptor file = open_for_reading(path);
  Sha256 hash;
  std::vector<std::byte> buffer(kReadBuffer);
  while (const std::size_t n = read_some(file, buffer, path)) {
    hash.update(std::span(buffer).first(n));
  }
  return hash.hex();
}

FileDescriptor make_unnamed_file(const fs::path& beside) {
  const fs::path directory = directory_of(beside);
  FileDescriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  // NFS and others do not support that: a file whose name is removed at once is nearly as good.
  const bool supported = errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL;
  while (!file && !supported) {
    const fs::path path = directory / (temporary_prefix(beside) + unique_suffix());
    file = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file) ::unlink(path.c_str());
    if (!file && errno != EEXIST) break;
  }
  if (!file) throw_io_error("create", beside, errno);
  return file;
}

void remove_stale_temporaries(const fs::path& target) {
  remove_stale(directory_of(target), temporary_prefix(target));
}

TemporaryFile::TemporaryFile(fs::path target) : target_(std::move(target)) {
  const std::string prefix = temporary_prefix(target_);
  remove_stale(directory_of(target_), prefix);
  while (true) {
    path_ = directory_of(target_) / (prefix + unique_suffix());
    file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file_ && errno == EEXIST) continue;
    if (!file_) throw_io_error("create", target_, errno);
    // Between open and flock another process may have removed the file as a stale one.
    struct stat info {};
    const bool locked = ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (locked && ::fstat(file_.get(), &info) == 0 && info.st_nlink > 0) return;
  }
}

TemporaryFile::~TemporaryFile() {
  if (committed_) return;
  // Frees the space even if another descriptor, such as that of a library, still holds the file.
  [[maybe_unused]] const int result = ::ftruncate(file_.get(), 0);
  ::unlink(path_.c_str());
}

void TemporaryFile::sync() const {
  fsync_descriptor(file_, target_);
}

void TemporaryFile::commit() {
  KRAIT_REQUIRE(!committed_, "[TemporaryFile::commit] '", target_.string(), "' is committed.");
  sync();
  if (::rename(path_.c_str(), target_.c_str()) != 0) throw_io_error("replace", target_, errno);
  committed_ = true;
  file_.close();
  fsync_directory(directory_of(target_));
}

MappedFile::MappedFile(const fs::path& path, Access access)
    : MappedFile(open_file(path, O_NONBLOCK).get(), path, access) {}  // never waits for a pipe

MappedFile::MappedFile(int descriptor, const fs::path& path, Access access) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) throw_io_error("inspect", path, errno);
  KRAIT_CHECK(BadData, S_ISREG(info.st_mode), "'", path.string(),
              "' is not a regular file; copy its contents into one.");
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;  // there is no empty mapping
  std::byte last{};
  KRAIT_CHECK(BadData, ::pread(descriptor, &last, 1, info.st_size - 1) == 1, "'", path.string(),
              "' cannot be read to its end at ", size_, " bytes; make or copy it again.");
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
  if (data == MAP_FAILED) throw_io_error("map", path, errno);
  data_ = static_cast<const std::byte*>(data);
  expect(bytes(), access);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::advise(std::span<const std::byte> part, int advice) const {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto start = static_cast<std::size_t>(part.data() - data_) / page * page;
  const std::size_t end = static_cast<std::size_t>(part.data() - data_) + part.size();
  ::madvise(const_cast<std::byte*>(data_) + start, end - start, advice);
}

void MappedFile::prefetch(std::span<const std::byte> part) const {
  advise(part, MADV_WILLNEED);
}

void MappedFile::expect(std::span<const std::byte> part, Access access) const {
  advise(part, access == Access::Random ? MADV_RANDOM : MADV_SEQUENTIAL);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace krait
