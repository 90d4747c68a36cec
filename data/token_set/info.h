// The description of a token set.
#pragma once
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>

#include "data/tokenizer/tokenizer.h"

namespace krait {

/// The description of a token set and its documents.
struct TokenSetInfo {
  std::filesystem::path path;
  std::uint64_t file_bytes = 0;
  std::int64_t format_version = 0;
  std::uint64_t n_shards = 1;
  TokenizerIdentity tokenizer;
  std::int64_t vocab_size = 0;
  std::int32_t end_of_document = 0;
  std::int64_t token_bytes = 0;  // 1, 2 or 4
  std::uint64_t n_tokens = 0;    // end-of-document tokens included
  std::uint64_t n_documents = 0;
  std::uint64_t shortest_document = 0, longest_document = 0;  // tokens
  std::string provenance;                                     // JSON
  std::string content_sha256;
};

/// The description as text, one field per line.
std::ostream& operator<<(std::ostream& out, const TokenSetInfo& info);

}  // namespace krait
