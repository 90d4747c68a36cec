// The only file that includes libzstd.
#include <utility>
#include <vector>

#include <zstd.h>
#include <zstd_errors.h>

#include "core/error.h"
#include "data/files/byte_stream.h"

namespace krait {
namespace {

constexpr int kWindowLog = 27;  // 128 MiB, what the zstd tool accepts without being asked

struct ContextDeleter {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class ZstdStream final : public ByteStream {
 public:
  ZstdStream(std::unique_ptr<ByteStream> source, std::string where)
      : source_(std::move(source)),
        where_(std::move(where)),
        buffer_(ZSTD_DStreamInSize()),
        context_(ZSTD_createDCtx()) {
    KRAIT_CHECK(Io, context_, "there is not enough memory to decompress.");
    check(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLog));
  }

  std::size_t read(std::span<std::byte> out) override {
    ZSTD_outBuffer output{.dst = out.data(), .size = out.size(), .pos = 0};
    while (output.pos == 0) {
      refill();
      if (input_.pos == input_.size && after_frame_) return 0;
      const std::size_t before = input_.pos;
      const std::size_t hint = ZSTD_decompressStream(context_.get(), &output, &input_);
      check(hint);
      after_frame_ = hint == 0;
      KRAIT_CHECK(BadData, output.pos > 0 || after_frame_ || input_.pos > before || !source_ended_,
                  where_, ": the Zstandard data end too early; copy or download it again.");
    }
    return output.pos;
  }
  std::uint64_t source_bytes() const override { return source_->source_bytes(); }

 private:
  void refill() {
    if (input_.pos < input_.size || source_ended_) return;
    input_ = {.src = buffer_.data(), .size = source_->read(buffer_), .pos = 0};
    source_ended_ = input_.size == 0;
  }

  void check(std::size_t result) const {
    if (ZSTD_isError(result) == 0) return;
    const ZSTD_ErrorCode code = ZSTD_getErrorCode(result);
    KRAIT_CHECK(
        BadData, code != ZSTD_error_frameParameter_windowTooLarge, where_,
        ": needs more than 128 MiB to decompress; compress it again without zstd's long mode.");
    KRAIT_CHECK(Io, code != ZSTD_error_memory_allocation, where_,
                ": there is not enough memory to decompress it.");
    throw Error(ErrorKind::BadData,
                str(where_, ": is not Zstandard data, or is damaged (", ZSTD_getErrorName(result),
                    "); copy or download it again."));
  }

  std::unique_ptr<ByteStream> source_;
  std::string where_;
  std::vector<std::byte> buffer_;
  std::unique_ptr<ZSTD_DCtx, ContextDeleter> context_;
  ZSTD_inBuffer input_{};
  bool source_ended_ = false;
  bool after_frame_ = false;  // so not before the first one: an empty file is no frame
};

}  // namespace

std::unique_ptr<ByteStream> decompress_zstd(std::unique_ptr<ByteStream> source, std::string where) {
  return std::make_unique<ZstdStream>(std::move(source), std::move(where));
}

}  // namespace krait
