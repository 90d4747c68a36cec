#include "data/token_set/writer.h"

#include <utility>
#include <vector>

#include "data/hdf5/hdf5.h"
#include "data/hdf5/narrow.h"
#include "data/hdf5/spool.h"
#include "data/token_set/format.h"
#include "data/token_set/token_set.h"

namespace krait {
namespace fs = std::filesystem;
namespace format = token_set_format;

namespace {

constexpr std::size_t kOffsetsBuffered = std::size_t{1} << 16;

}  // namespace

struct TokenSetWriter::Impl {
  fs::path target;
  TokenSetInfo info;
  std::string tokenizer_definition;
  BlockSpool tokens;
  Spool offsets;
  std::vector<std::uint64_t> buffered_offsets{0};
  std::uint64_t document_start = 0;  // of the current document
  bool in_document = false;
  std::unique_ptr<TemporaryFile> prepared;

  Impl(const fs::path& target_path, const Tokenizer& tokenizer)
      : target(target_path),
        info(info_of(tokenizer)),
        tokenizer_definition(tokenizer.definition()),
        tokens(target_path, format::block_bytes(info)),
        offsets(target_path) {
    remove_stale_temporaries(target);
  }

  static TokenSetInfo info_of(const Tokenizer& tokenizer) {
    TokenSetInfo info;
    info.tokenizer = tokenizer.identity();
    info.vocab_size = tokenizer.vocab_size();
    info.end_of_document = tokenizer.end_of_document();
    info.token_bytes = narrow_bytes(info.vocab_size);
    return info;
  }

  void flush_offsets() {
    offsets.append(std::as_bytes(std::span(buffered_offsets)));
    buffered_offsets.clear();
  }

  void write(Hdf5File& file) {
    const std::vector<std::uint8_t>& hashes = tokens.hashes();
    visit_narrow(info.token_bytes, [&]<class T>(T) {
      tokens.spool().copy_to<T>(file, format::kTokens, info.n_tokens, [](auto) {});
    });
    file.write<std::uint8_t>(format::kHashes, {static_cast<std::int64_t>(hashes.size() / 32), 32},
                             hashes);
    Sha256 content = format::content_hash(info, hashes);
    offsets.copy_to<std::uint64_t>(file, format::kOffsets, info.n_documents + 1,
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
  append_narrow(impl_->tokens, info.token_bytes, ids);
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
  TokenSetInfo& info = impl_->info;
  info.n_tokens = impl_->document_start;
  impl_->tokens.cut(info.n_tokens * static_cast<std::uint64_t>(info.token_bytes));
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
  impl_->tokens.finish();
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
