// Any bytes as a compressed file: gzip when the first one is even, Zstandard otherwise. It is
// decompressed, the same however little is asked for at a time, or BadData says why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/files/byte_stream.h"
#include "tests/fuzz/memory_file.h"

namespace {

using namespace krait;  // NOLINT: the whole file is about it

constexpr std::size_t kMost = std::size_t{1} << 22;  // a bomb is not read to its end

struct Result {
  std::string bytes;
  bool failed = false;
};

Result decompress(const fuzz::MemoryFile& file, Compression compression, std::size_t piece) {
  Result result;
  std::vector<std::byte> buffer(piece);
  try {
    const auto stream = open_stream(file.path(), compression);
    while (result.bytes.size() < kMost) {
      const std::size_t n = stream->read(buffer);
      if (n == 0) return result;
      if (n > buffer.size()) std::abort();
      result.bytes.append(reinterpret_cast<const char*>(buffer.data()), n);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::BadData) std::abort();
    result.failed = true;
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto compression = data[0] % 2 == 0 ? Compression::Gzip : Compression::Zstd;
  static const fuzz::MemoryFile file;
  file.set({reinterpret_cast<const char*>(data) + 1, size - 1});
  const Result whole = decompress(file, compression, std::size_t{1} << 16);
  if (whole.bytes.size() > 10'000) return 0;
  const Result small = decompress(file, compression, 7);
  // What comes before damage is found may differ, since nothing of it is used.
  if (small.failed != whole.failed) std::abort();
  if (!whole.failed && small.bytes != whole.bytes) std::abort();
  return 0;
}
