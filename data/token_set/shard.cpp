#include "data/token_set/shard.h"

#include <algorithm>
#include <limits>

#include "data/hdf5/file_format.h"
#include "data/hdf5/hdf5.h"
#include "data/hdf5/narrow.h"
#include "data/token_set/format.h"

namespace krait {
namespace fs = std::filesystem;
namespace format = token_set_format;

namespace {

constexpr std::string_view kAdvice = "; the set is damaged: copy it again or rebuild it";

TokenSetInfo read_attributes(const Hdf5File& file) {
  check_file_format(file, {.name = format::kFormat,
                           .version = format::kVersion,
                           .thing = "token set",
                           .made_by = "krait data build"});
  const std::string where = str("'", file.path().string(), "'");
  TokenSetInfo info{.path = file.path(), .format_version = format::kVersion};
  info.tokenizer =
      TokenizerIdentity::from_json(file.attribute<std::string>("/", "tokenizer"), where);
  info.vocab_size = file.attribute<std::int64_t>("/", "vocab_size");
  const auto end = file.attribute<std::int64_t>("/", "end_of_document");
  KRAIT_CHECK(BadData,
              info.vocab_size > 0 && info.vocab_size <= std::numeric_limits<std::int32_t>::max() &&
                  end >= 0 && end < info.vocab_size,
              where, ": vocab_size ", info.vocab_size, " and end_of_document ", end,
              " do not fit together", kAdvice, ".");
  info.end_of_document = static_cast<std::int32_t>(end);
  info.token_bytes = narrow_bytes(info.vocab_size);
  info.provenance = file.attribute<std::string>("/", "provenance");
  info.content_sha256 = file.attribute<std::string>("/", "content_sha256");
  return info;
}

/// The tokenizer's definition; empty in a set without one.
std::string read_definition(const Hdf5File& file, const TokenizerIdentity& identity) {
  if (!file.has(format::kTokenizer)) return {};
  const std::vector<std::uint8_t> bytes = file.read<std::uint8_t>(format::kTokenizer).values;
  std::string definition(bytes.begin(), bytes.end());
  KRAIT_CHECK(BadData, sha256_hex(definition) == identity.sha256, "'", file.path().string(), "', '",
              format::kTokenizer, "': does not have the SHA-256 of the tokenizer '", identity.name,
              "'", kAdvice, ".");
  return definition;
}

/// Documents in order, none empty, from the first token to the last; their lengths into `info`.
void check_offsets(std::span<const std::uint64_t> offsets, TokenSetInfo& info) {
  bool good = offsets.size() >= 2 && offsets.front() == 0 && offsets.back() == info.n_tokens;
  info.shortest_document = info.n_tokens;
  for (std::size_t i = 1; good && i < offsets.size(); ++i) {
    good = offsets[i] > offsets[i - 1];
    info.shortest_document = std::min(info.shortest_document, offsets[i] - offsets[i - 1]);
    info.longest_document = std::max(info.longest_document, offsets[i] - offsets[i - 1]);
  }
  KRAIT_CHECK(BadData, good, "'", info.path.string(), "', '", format::kOffsets,
              "': must rise from 0 to the ", info.n_tokens, " tokens", kAdvice, ".");
}

}  // namespace

Sha256 token_set_format::content_hash(const TokenSetInfo& info,
                                      std::span<const std::uint8_t> block_hashes) {
  Sha256 hash;
  hash.update(str(kFormat, "\n", kVersion, "\n", info.tokenizer.json(), "\n", info.vocab_size, "\n",
                  info.end_of_document, "\n", info.n_tokens, "\n", info.n_documents, "\n",
                  info.provenance, "\n"));
  hash.update(std::as_bytes(block_hashes));
  return hash;
}

TokenShard::TokenShard(const fs::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  info_ = read_attributes(file);
  tokenizer_definition_ = read_definition(file, info_.tokenizer);
  map_ = MappedFile(file.descriptor(), path);  // the same file, whatever is renamed meanwhile
  info_.file_bytes = map_.size();
  visit_narrow(info_.token_bytes, [&]<class T>(T) {
    tokens_ = mapped_bytes(file, format::kTokens, kNarrowType<T>, map_, kAdvice);
    info_.n_tokens = tokens_.size() / sizeof(T);
  });
  offsets_ = mapped_array<std::uint64_t>(file, format::kOffsets, Hdf5Type::U64, map_, kAdvice);
  info_.n_documents = offsets_.size() - 1;
  block_hashes_ =
      BlockHashes(file, format::kHashes, tokens_.size(), format::block_bytes(info_), kAdvice);
  Sha256 content = format::content_hash(info_, block_hashes_.bytes());
  map_.expect(std::as_bytes(offsets_), MappedFile::Access::Sequential);
  content.update(std::as_bytes(offsets_));
  map_.expect(std::as_bytes(offsets_), MappedFile::Access::Random);
  KRAIT_CHECK(BadData, content.hex() == info_.content_sha256, "'", path.string(),
              "': the attributes, '", format::kOffsets, "' or '", format::kHashes,
              "' do not match content_sha256", kAdvice, ".");
  check_offsets(offsets_, info_);
}

void TokenShard::copy(std::uint64_t first, std::span<std::int32_t> out) const {
  KRAIT_REQUIRE(first <= n_tokens() && out.size() <= n_tokens() - first, "[TokenSet::copy] tokens ",
                first, " to ", first + out.size(), " must be inside the ", n_tokens(),
                " of the set.");
  const std::uint32_t largest = copy_narrow(tokens_, info_.token_bytes, first, out);
  KRAIT_CHECK(BadData, largest < info_.vocab_size, "'", info_.path.string(), "', '",
              format::kTokens, "': id ", largest, " near token ", first,
              " is outside the vocabulary of ", info_.vocab_size, kAdvice, ".");
}

std::int32_t TokenShard::token(std::uint64_t index) const {
  return visit_narrow(info_.token_bytes, [&]<class T>(T) {
    return static_cast<std::int32_t>(reinterpret_cast<const T*>(tokens_.data())[index]);
  });
}

void TokenShard::verify(const std::function<void(std::uint64_t tokens)>& progress) const {
  constexpr std::uint64_t kRound = 64;  // blocks between reports of progress
  const std::uint64_t n_blocks = block_hashes_.n_blocks();
  std::vector<std::int32_t> scratch;
  for (std::uint64_t first = 0; first < n_blocks; first += kRound) {
    const std::uint64_t count = std::min(kRound, n_blocks - first);
    const auto bad = block_hashes_.first_bad(tokens_, map_, first, count);
    KRAIT_CHECK(BadData, !bad, "'", info_.path.string(), "', '", format::kTokens, "': block ", *bad,
                " (tokens ", *bad * format::kBlockTokens, " to ",
                std::min((*bad + 1) * format::kBlockTokens, n_tokens()) - 1,
                ") does not match its hash", kAdvice, ".");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t start = (first + i) * format::kBlockTokens;
      scratch.resize(std::min(format::kBlockTokens, n_tokens() - start));
      copy(start, scratch);
    }
    if (progress) progress(std::min((first + count) * format::kBlockTokens, n_tokens()));
  }
  for (std::uint64_t i = 0; i < n_documents(); ++i) {
    KRAIT_CHECK(BadData, token(offsets_[i + 1] - 1) == info_.end_of_document, "'",
                info_.path.string(), "': document ", i, " does not end with token ",
                info_.end_of_document, kAdvice, ".");
  }
}

void TokenShard::prefetch(std::uint64_t first, std::uint64_t count) const {
  map_.prefetch(stored(first, count));
}

std::span<const std::byte> TokenShard::stored(std::uint64_t first, std::uint64_t count) const {
  const auto bytes = static_cast<std::uint64_t>(info_.token_bytes);
  return tokens_.subspan(first * bytes, std::min(count, n_tokens() - first) * bytes);
}

}  // namespace krait
