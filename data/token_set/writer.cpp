#include "data/token_set/writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/types.h>
#include <unistd.h>

#include "data/hdf5/hdf5.h"
#include "data/token_set/format.h"
#include "data/token_set/token_set.h"

namespace krait {
namespace fs = std::filesystem;
namespace format = token_set_format;

namespace {

/// A nameless file that is written once, then read once.
class Spool {
 public:
  explicit Spool(const fs::path& target) : target_(target), file_(make_unnamed_file(target)) {}

  void append(std::span<const std::byte> bytes) { write_all(file_, bytes, target_); }
  void read(std::uint64_t offset, std::span<std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t n =
          ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_io_error("read a temporary file of", target_, n < 0 ? errno : EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }
  /// Goes on behind the first `bytes` bytes.
  void cut(std::uint64_t bytes) {
    const auto size = static_cast<off_t>(bytes);
    const bool done =
        ::ftruncate(file_.get(), size) == 0 && ::lseek(file_.get(), size, SEEK_SET) == size;
    if (!done) throw_io_error("cut a temporary file of", target_, errno);
  }

 private:
  fs::path target_;
  FileDescriptor file_;
};

constexpr std::size_t kOffsetsBuffered = std::size_t{1} << 16;

// Copies `count` elements of a spool into a new dataset.
template <class T, class Seen>
void copy_spool(const Spool& spool, std::uint64_t count, Hdf5File& file, std::string_view name,
                Seen&& seen) {
  file.create_dataset<T>(name, count, Hdf5Layout::Contiguous);
  std::vector<T> buffer;
  for (std::uint64_t first = 0; first < count; first += buffer.size()) {
    buffer.resize(std::min(format::kBlockTokens / sizeof(T), count - first));
    spool.read(first * sizeof(T), std::as_writable_bytes(std::span(buffer)));
    seen(std::as_bytes(std::span(buffer)));
    file.write_at<T>(name, first, std::span<const T>(buffer));
  }
}

}  // namespace

struct TokenSetWriter::Impl {
  fs::path target;
  TokenSetInfo info;
  std::string tokenizer_definition;
  Spool tokens, offsets;
  std::vector<std::byte> block;  // the current block, in the file's token type
  std::vector<std::uint64_t> buffered_offsets{0};
  std::vector<std::uint8_t> block_hashes;
  std::uint64_t document_start = 0;  // of the current document
  bool in_document = false;
  std::unique_ptr<TemporaryFile> prepared;

  Impl(const fs::path& target_path, const Tokenizer& tokenizer)
      : target(target_path), tokens(target_path), offsets(target_path) {
    remove_stale_temporaries(target);
    info.tokenizer = tokenizer.identity();
    tokenizer_definition = tokenizer.definition();
    info.vocab_size = tokenizer.vocab_size();
    info.end_of_document = tokenizer.end_of_document();
    info.token_bytes = format::token_bytes(info.vocab_size);
    block.reserve(format::kBlockTokens * static_cast<std::size_t>(info.token_bytes));
  }

  template <class T>
  void append(std::span<const std::int32_t> ids) {
    while (!ids.empty()) {
      const std::size_t room = format::kBlockTokens - block.size() / sizeof(T);
      const auto part = ids.first(std::min(room, ids.size()));
      ids = ids.subspan(part.size());
      const std::size_t start = block.size();
      block.resize(start + part.size() * sizeof(T));
      std::byte* out = block.data() + start;
      for (const std::int32_t id : part) {
        const T narrow = static_cast<T>(id);
        std::memcpy(out, &narrow, sizeof(T));
        out += sizeof(T);
      }
      if (part.size() == room) flush_block();
    }
  }

  void flush_block() {
    const Sha256Digest digest = sha256(block);
    block_hashes.insert(block_hashes.end(), digest.begin(), digest.end());
    tokens.append(block);
    block.clear();
  }

  // Back to the first `n_tokens` tokens.
  void cut(std::uint64_t n_tokens) {
    const std::uint64_t flushed = block_hashes.size() / 32;
    const std::uint64_t kept = std::min(n_tokens / format::kBlockTokens, flushed);
    const auto token_bytes = static_cast<std::uint64_t>(info.token_bytes);
    block.resize((n_tokens - kept * format::kBlockTokens) * token_bytes);
    if (kept < flushed) {
      const std::uint64_t bytes = kept * format::kBlockTokens * token_bytes;
      tokens.read(bytes, block);
      tokens.cut(bytes);
      block_hashes.resize(kept * 32);
    }
    info.n_tokens = n_tokens;
  }

  void flush_offsets() {
    offsets.append(std::as_bytes(std::span(buffered_offsets)));
    buffered_offsets.clear();
  }

  void write(Hdf5File& file) {
    format::visit_token_type(info.token_bytes, [&]<class T>(T) {
      copy_spool<T>(tokens, info.n_tokens, file, format::kTokens, [](auto) {});
    });
    const auto n_blocks = static_cast<std::int64_t>(block_hashes.size() / 32);
    file.write<std::uint8_t>(format::kHashes, {n_blocks, 32}, block_hashes);
    Sha256 content = format::content_hash(info, block_hashes);
    copy_spool<std::uint64_t>(offsets, info.n_documents + 1, file, format::kOffsets,
                              [&](auto bytes) { content.update(bytes); });
    if (!tokenizer_definition.empty()) {
      const auto* text = reinterpret_cast<const std::uint8_t*>(tokenizer_definition.data());
      const std::span bytes(text, tokenizer_definition.size());
      file.write<std::uint8_t>(format::kTokenizer, {static_cast<std::int64_t>(bytes.size())},
                               bytes);
    }
    file.write_attribute("/", "format", format::kFormat);
    file.write_attribute("/", "format_version", format::kVersion);
    file.write_attribute("/", "tokenizer", info.tokenizer.json());
    file.write_attribute("/", "vocab_size", info.vocab_size);
    file.write_attribute("/", "end_of_document", info.end_of_document);
    file.write_attribute("/", "provenance", info.provenance);
    info.content_sha256 = content.hex();
    file.write_attribute("/", "content_sha256", info.content_sha256);
  }
};

TokenSetWriter::TokenSetWriter(const fs::path& target, const Tokenizer& tokenizer)
    : impl_(std::make_unique<Impl>(target, tokenizer)) {}
TokenSetWriter::~TokenSetWriter() = default;
TokenSetWriter::TokenSetWriter(TokenSetWriter&&) noexcept = default;
TokenSetWriter& TokenSetWriter::operator=(TokenSetWriter&&) noexcept = default;

std::uint64_t TokenSetWriter::n_tokens() const {
  return impl_->info.n_tokens;
}
std::uint64_t TokenSetWriter::n_documents() const {
  return impl_->info.n_documents;
}

void TokenSetWriter::append(std::span<const std::int32_t> ids) {
  TokenSetInfo& info = impl_->info;
  for (const std::int32_t id : ids) {
    KRAIT_REQUIRE(id >= 0 && id < info.vocab_size, "[TokenSetWriter::append] ids must be 0 to ",
                  info.vocab_size - 1, ", got ", id, ".");
  }
  format::visit_token_type(info.token_bytes, [&]<class T>(T) { impl_->append<T>(ids); });
  info.n_tokens += ids.size();
  impl_->in_document |= !ids.empty();
}

void TokenSetWriter::end_document() {
  const std::int32_t end = impl_->info.end_of_document;
  append({&end, 1});
  impl_->in_document = false;
  impl_->document_start = impl_->info.n_tokens;
  ++impl_->info.n_documents;
  impl_->buffered_offsets.push_back(impl_->info.n_tokens);
  if (impl_->buffered_offsets.size() >= kOffsetsBuffered) impl_->flush_offsets();
}

void TokenSetWriter::drop_document() {
  impl_->cut(impl_->document_start);
  impl_->in_document = false;
}

const std::string& TokenSetWriter::content_sha256() const {
  KRAIT_REQUIRE(impl_->prepared, "[TokenSetWriter::content_sha256] comes after prepare.");
  return impl_->info.content_sha256;
}

void TokenSetWriter::prepare(const std::string& provenance) {
  KRAIT_REQUIRE(!impl_->in_document && !impl_->prepared,
                "[TokenSetWriter::prepare] is called once, after end_document.");
  KRAIT_CHECK(BadData, n_documents() > 0, "'", impl_->target.string(),
              "' would hold no document; check the input.");
  if (!impl_->block.empty()) impl_->flush_block();
  impl_->flush_offsets();
  impl_->info.provenance = provenance;
  auto temporary = std::make_unique<TemporaryFile>(impl_->target);
  Hdf5File file = Hdf5File::create(*temporary, format::kAlignment);
  impl_->write(file);
  file.close();
  temporary->sync();
  impl_->prepared = std::move(temporary);
}

void TokenSetWriter::commit() {
  KRAIT_REQUIRE(impl_->prepared, "[TokenSetWriter::commit] comes after prepare.");
  impl_->prepared->commit();
}

}  // namespace krait
