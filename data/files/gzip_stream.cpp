// The only file that includes zlib.
#include <algorithm>
#include <utility>
#include <vector>

#include <zlib.h>

#include "core/error.h"
#include "data/files/byte_stream.h"

namespace krait {
namespace {

constexpr std::size_t kInput = std::size_t{1} << 17;
constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib's way to ask for a gzip header and trailer

class GzipStream final : public ByteStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> source, std::string where)
      : source_(std::move(source)), where_(std::move(where)), input_(kInput) {
    KRAIT_CHECK(Io, inflateInit2(&zlib_, kGzipOnly) == Z_OK,
                "there is not enough memory to decompress.");
  }
  ~GzipStream() override { inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::size_t read(std::span<std::byte> out) override {
    zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
    zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1u << 30));
    const uInt room = zlib_.avail_out;
    while (zlib_.avail_out == room) {
      refill();
      if (after_member_ && !next_member()) return 0;
      step();
    }
    return room - zlib_.avail_out;
  }
  std::uint64_t source_bytes() const override { return source_->source_bytes(); }

 private:
  void refill() {
    if (zlib_.avail_in > 0 || source_ended_) return;
    zlib_.next_in = reinterpret_cast<Bytef*>(input_.data());
    zlib_.avail_in = static_cast<uInt>(source_->read(input_));
    source_ended_ = zlib_.avail_in == 0;
  }

  // Past a member: whether there is another one. Tapes and block devices leave zeros at the end.
  bool next_member() {
    while (zlib_.avail_in > 0 && (*zlib_.next_in == 0 || padded_)) {
      padded_ = true;
      KRAIT_CHECK(BadData, *zlib_.next_in == 0, where_,
                  ": other bytes follow the gzip data; copy or download it again.");
      ++zlib_.next_in, --zlib_.avail_in;
      refill();
    }
    if (zlib_.avail_in == 0) return false;
    inflateReset(&zlib_);
    after_member_ = false;
    return true;
  }

  void step() {
    const int status = inflate(&zlib_, Z_NO_FLUSH);
    after_member_ = status == Z_STREAM_END;
    if (after_member_ || status == Z_OK) return;
    KRAIT_CHECK(BadData, status != Z_BUF_ERROR || !source_ended_, where_,
                ": the gzip data end too early; copy or download it again.");
    KRAIT_CHECK(Io, status != Z_MEM_ERROR, where_,
                ": there is not enough memory to decompress it.");
    KRAIT_CHECK(BadData, status == Z_BUF_ERROR, where_, ": is not gzip data, or is damaged (",
                zlib_.msg == nullptr ? "no reason given" : zlib_.msg,
                "); copy or download it again.");
  }

  std::unique_ptr<ByteStream> source_;
  std::string where_;
  std::vector<std::byte> input_;
  z_stream zlib_{};
  bool source_ended_ = false;
  bool after_member_ = false;
  bool padded_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> decompress_gzip(std::unique_ptr<ByteStream> source, std::string where) {
  return std::make_unique<GzipStream>(std::move(source), std::move(where));
}

}  // namespace krait
