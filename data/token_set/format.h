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

/// Bytes of the narrowest unsigned type that holds vocab_size - 1.
constexpr std::int64_t token_bytes(std::int64_t vocab_size) {
  return vocab_size <= 1 << 8 ? 1 : vocab_size <= 1 << 16 ? 2 : 4;
}

/// Calls f with a value of the token type of `bytes` bytes.
template <class F>
decltype(auto) visit_token_type(std::int64_t bytes, F&& f) {
  if (bytes == 1) return f(std::uint8_t{});
  if (bytes == 2) return f(std::uint16_t{});
  return f(std::uint32_t{});
}

/// The hash over everything but the tokens, before document_offsets are added to it.
Sha256 content_hash(const TokenSetInfo& info, std::span<const std::uint8_t> block_hashes);

}  // namespace krait::token_set_format
