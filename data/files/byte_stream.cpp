#include "data/files/byte_stream.h"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include "core/system/file.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

class FileStream final : public ByteStream {
 public:
  explicit FileStream(const fs::path& path) : path_(path), file_(open_for_reading(path)) {}

  std::size_t read(std::span<std::byte> out) override {
    while (true) {
      const ssize_t n = ::read(file_.get(), out.data(), out.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_io_error("read", path_, errno);
      bytes_ += static_cast<std::uint64_t>(n);
      return static_cast<std::size_t>(n);
    }
  }
  std::uint64_t source_bytes() const override { return bytes_; }

 private:
  fs::path path_;
  FileDescriptor file_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Compression compression_of(const fs::path& path) {
  const fs::path extension = path.extension();
  if (extension == ".gz") return Compression::Gzip;
  if (extension == ".zst") return Compression::Zstd;
  return Compression::None;
}

std::unique_ptr<ByteStream> open_stream(const fs::path& path, Compression compression) {
  auto file = std::make_unique<FileStream>(path);
  const std::string where = "'" + path.string() + "'";
  if (compression == Compression::Gzip) return decompress_gzip(std::move(file), where);
  if (compression == Compression::Zstd) return decompress_zstd(std::move(file), where);
  return file;
}

}  // namespace krait
