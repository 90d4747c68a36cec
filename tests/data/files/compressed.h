// Compressed bytes for tests, and a stream of bytes in memory.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "data/files/byte_stream.h"

namespace krait {

/// One gzip member.
inline std::string gzip(std::string_view text) {
  z_stream zlib{};
  EXPECT_EQ(deflateInit2(&zlib, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&zlib, text.size()), '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  zlib.avail_in = static_cast<uInt>(text.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

/// One Zstandard frame with a checksum. `window_log` 0: as the library likes.
inline std::string zstd(std::string_view text, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, window_log > 0 ? 1 : 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);  // else a small window is chosen
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_inBuffer input{text.data(), text.size(), 0};
  ZSTD_outBuffer output{out.data(), out.size(), 0};
  // Two calls: what is compressed in one gets a window of its size.
  ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush);
  EXPECT_EQ(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end), 0u);
  out.resize(output.pos);
  ZSTD_freeCCtx(context);
  return out;
}

/// Gives at most `most` bytes a call.
class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(std::string_view bytes, std::size_t most = ~std::size_t{0})
      : bytes_(bytes), most_(most) {}
  std::size_t read(std::span<std::byte> out) override {
    const std::size_t n = std::min({out.size(), most_, bytes_.size() - done_});
    std::memcpy(out.data(), bytes_.data() + done_, n);
    done_ += n;
    return n;
  }
  std::uint64_t source_bytes() const override { return done_; }

 private:
  std::string bytes_;
  std::size_t most_;
  std::size_t done_ = 0;
};

}  // namespace krait
