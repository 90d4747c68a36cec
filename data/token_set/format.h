// Names and rules that the reader and the writer of token sets share.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/system/hash.h"
#include "data/token_set/info.h"

namespace krait::token_set_format {

inline constexpr std::string_view kFormat = "krait-token-set";
inline constexpr std::int64_t kVersion = 1;
inline constexpr std::uint64_t kAlignment = 4096;                      // a page
inline constexpr std::uint64_t kBlockTokens = std::uint64_t{1} << 20;  // of one hash
inline constexpr std::string_view kTokens = "tokens";
inline constexpr std::string_view kOffsets = "document_offsets";
inline constexpr std::string_view kHashes = "block_hashes";
inline constexpr std::string_view kTokenizer = "tokenizer_json";

/// Bytes of a block of tokens.
inline std::uint64_t block_bytes(const TokenSetInfo& info) {
  return kBlockTokens * static_cast<std::uint64_t>(info.token_bytes);
}

/// The hash over everything except the tokens, before document_offsets are added to it.
Sha256 content_hash(const TokenSetInfo& info, std::span<const std::uint8_t> block_hashes);

}  // namespace krait::token_set_format
