#include "data/token_set/token_set.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/token_set/shard.h"
#include "data/token_set/shard_list.h"

namespace krait {
namespace fs = std::filesystem;

/// The offsets of several shards in one array, made when they are first asked for.
struct TokenSet::AllOffsets {
  std::once_flag made;
  std::vector<std::uint64_t> values;
};

namespace {

std::string merged_provenance(const std::vector<TokenShard>& shards) {
  auto json = nlohmann::ordered_json::parse(shards.front().info().provenance, nullptr, false);
  if (!json.is_object()) json = nlohmann::ordered_json::object();
  json.erase("shard");
  json["shards"] = shards.size();
  return json.dump();
}

std::string merged_sha256(const std::vector<TokenShard>& shards) {
  Sha256 hash;
  hash.update("krait-token-set-shards\n");
  for (const TokenShard& shard : shards) hash.update(shard.info().content_sha256 + "\n");
  return hash.hex();
}

void check_alike(const TokenSetInfo& first, const TokenSetInfo& other) {
  KRAIT_CHECK(BadData,
              first.tokenizer == other.tokenizer && first.vocab_size == other.vocab_size &&
                  first.end_of_document == other.end_of_document,
              "'", other.path.string(), "' was made with another tokenizer (", other.tokenizer.name,
              ") than '", first.path.string(), "' (", first.tokenizer.name,
              "): they are not shards of one set; build them together.");
}

TokenSetInfo merged_info(const fs::path& path, const std::vector<TokenShard>& shards) {
  TokenSetInfo all = shards.front().info();
  all.path = path;
  if (shards.size() == 1) return all;
  for (std::size_t i = 1; i < shards.size(); ++i) {
    const TokenSetInfo& shard = shards[i].info();
    check_alike(all, shard);
    all.file_bytes += shard.file_bytes;
    all.n_tokens += shard.n_tokens;
    all.n_documents += shard.n_documents;
    all.shortest_document = std::min(all.shortest_document, shard.shortest_document);
    all.longest_document = std::max(all.longest_document, shard.longest_document);
  }
  all.n_shards = shards.size();
  all.provenance = merged_provenance(shards);
  all.content_sha256 = merged_sha256(shards);
  return all;
}

}  // namespace

TokenSet::TokenSet(const fs::path& path) : offsets_(std::make_unique<AllOffsets>()) {
  if (directory_exists(path)) {
    for (const fs::path& shard : shards_in(path)) shards_.emplace_back(shard);
  } else {
    shards_.emplace_back(path);
  }
  info_ = merged_info(path, shards_);
  starts_.push_back(0);
  for (const TokenShard& shard : shards_) starts_.push_back(starts_.back() + shard.n_tokens());
}

TokenSet::~TokenSet() = default;
TokenSet::TokenSet(TokenSet&&) noexcept = default;
TokenSet& TokenSet::operator=(TokenSet&&) noexcept = default;

std::size_t TokenSet::shard_of(std::uint64_t token) const {
  if (shards_.size() == 1) return 0;
  const auto next = std::upper_bound(starts_.begin(), starts_.end() - 1, token);
  return static_cast<std::size_t>(next - starts_.begin()) - 1;
}

const std::string& TokenSet::tokenizer_definition() const {
  return shards_.front().tokenizer_definition();
}

std::span<const std::uint64_t> TokenSet::document_offsets() const {
  if (shards_.size() == 1) return shards_.front().document_offsets();
  std::call_once(offsets_->made, [this] {
    std::vector<std::uint64_t>& all = offsets_->values;
    all.reserve(n_documents() + 1);
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      for (const std::uint64_t offset : shards_[i].document_offsets()) {
        if (i == 0 || offset > 0) all.push_back(starts_[i] + offset);
      }
    }
  });
  return offsets_->values;
}

void TokenSet::document_starts(std::uint64_t first, std::uint64_t end,
                               std::vector<std::uint64_t>& starts) const {
  KRAIT_REQUIRE(first <= end && end <= n_tokens(), "[TokenSet::document_starts] tokens ", first,
                " to ", end, " must be inside the ", n_tokens(), " of the set.");
  for (std::size_t i = shard_of(first); i < shards_.size() && starts_[i] < end; ++i) {
    const auto offsets = shards_[i].document_offsets();
    const auto documents = offsets.first(offsets.size() - 1);  // the last one is the end
    const std::uint64_t from = first > starts_[i] ? first - starts_[i] : 0;
    for (auto at = std::ranges::lower_bound(documents, from);
         at != documents.end() && starts_[i] + *at < end; ++at) {
      starts.push_back(starts_[i] + *at);
    }
  }
}

void TokenSet::copy(std::uint64_t first, std::span<std::int32_t> out) const {
  KRAIT_REQUIRE(first <= n_tokens() && out.size() <= n_tokens() - first, "[TokenSet::copy] tokens ",
                first, " to ", first + out.size(), " must be inside the ", n_tokens(),
                " of the set.");
  for (std::size_t i = shard_of(first); !out.empty(); ++i) {
    const auto part = out.first(std::min<std::uint64_t>(out.size(), starts_[i + 1] - first));
    shards_[i].copy(first - starts_[i], part);
    out = out.subspan(part.size());
    first += part.size();
  }
}

void TokenSet::prefetch(std::uint64_t first, std::uint64_t count) const {
  const std::size_t shard = shard_of(first);
  shards_[shard].prefetch(first - starts_[shard], count);
}

std::span<const std::byte> TokenSet::stored(std::uint64_t first, std::uint64_t count) const {
  KRAIT_REQUIRE(first < n_tokens(), "[TokenSet::stored] token ", first, " must be inside the ",
                n_tokens(), " of the set.");
  const std::size_t shard = shard_of(first);
  return shards_[shard].stored(first - starts_[shard], count);
}

void TokenSet::verify(const std::function<void(std::uint64_t tokens)>& progress) const {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].verify([&](std::uint64_t done) {
      if (progress) progress(starts_[i] + done);
    });
  }
}

}  // namespace krait
