#include "data/hdf5/spool.h"

#include <cerrno>

#include <sys/types.h>
#include <unistd.h>

#include "core/system/hash.h"

namespace krait {
namespace fs = std::filesystem;

Spool::Spool(const fs::path& target) : target_(target), file_(make_unnamed_file(target)) {}

void Spool::append(std::span<const std::byte> bytes) {
  write_all(file_, bytes, target_);
}

void Spool::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw_io_error("read a temporary file of", target_, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void Spool::cut(std::uint64_t bytes) {
  const auto size = static_cast<off_t>(bytes);
  const bool done =
      ::ftruncate(file_.get(), size) == 0 && ::lseek(file_.get(), size, SEEK_SET) == size;
  if (!done) throw_io_error("cut a temporary file of", target_, errno);
}

BlockSpool::BlockSpool(const fs::path& target, std::size_t block_bytes)
    : spool_(target), block_bytes_(block_bytes) {
  block_.reserve(block_bytes);
}

void BlockSpool::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(block_bytes_ - block_.size(), bytes.size()));
    bytes = bytes.subspan(part.size());
    block_.insert(block_.end(), part.begin(), part.end());
    if (block_.size() == block_bytes_) flush();
  }
}

void BlockSpool::flush() {
  const Sha256Digest digest = sha256(block_);
  hashes_.insert(hashes_.end(), digest.begin(), digest.end());
  spool_.append(block_);
  block_.clear();
}

void BlockSpool::cut(std::uint64_t bytes) {
  const std::uint64_t flushed = hashes_.size() / sizeof(Sha256Digest);
  const std::uint64_t kept = std::min(bytes / block_bytes_, flushed);
  block_.resize(bytes - kept * block_bytes_);
  if (kept == flushed) return;
  spool_.read(kept * block_bytes_, block_);
  spool_.cut(kept * block_bytes_);
  hashes_.resize(kept * sizeof(Sha256Digest));
}

void BlockSpool::finish() {
  if (!block_.empty()) flush();
}

}  // namespace krait
