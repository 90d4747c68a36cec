// The token set: tokenized documents in one HDF5 file, or in a folder of such files.
//
// A file holds
//
//   tokens            (n_tokens) u8, u16 or u32, the narrowest that holds vocab_size - 1;
//                     contiguous, at a multiple of 4096 bytes: read through a memory map
//   document_offsets  (n_documents + 1) u64, contiguous: document i is tokens [offset[i],
//                     offset[i+1]); the first is 0, the last n_tokens. Every document ends with the
//                     end-of-document token
//   block_hashes      (n_blocks, 32) u8: SHA-256 of each 2^20 tokens (the last block is shorter)
//   tokenizer_json    (n) u8: the tokenizer's definition, where it has one; its SHA-256 is the
//                     identity's
//   attributes of /   format "krait-token-set", format_version 1, tokenizer (JSON: see
//                     TokenizerIdentity), vocab_size, end_of_document, provenance (JSON, see
//                     data/build/build.h and data/token_set/random.h), content_sha256: over all of
//                     the above except the tokens, whose hashes it covers
//
// A folder stands for its .h5 files, the shards, in the order of their names, one after the other:
// the same documents and tokens as in one file. A folder with a shards.json (see
// data/token_set/shard_list.h) must hold exactly the shards that are named there. Its
// content_sha256 is that of its only shard, or the SHA-256 of "krait-token-set-shards" and those of
// all shards, one per line.
//
// Opening checks everything except the tokens themselves; verify() checks those too. Two sets with
// the same content_sha256 are the same.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/system/file.h"
#include "data/token_set/info.h"

namespace krait {

class TokenShard;

/// An open token set. Tokens and offsets are memory-mapped; a set takes only 32 bytes of memory per
/// 2^20 tokens. All functions are const and may be called from several threads.
class TokenSet {
 public:
  /// Throws MissingInput, Io, or BadData when the file or a shard is not a token set, is of a newer
  /// version, or is damaged (checks everything except the tokens; reads document_offsets once), and
  /// when shards are missing or of different tokenizers.
  explicit TokenSet(const std::filesystem::path& path);
  ~TokenSet();
  TokenSet(TokenSet&&) noexcept;
  TokenSet& operator=(TokenSet&&) noexcept;

  /// Of all shards together; the provenance is that of the first one, with their number.
  const TokenSetInfo& info() const { return info_; }
  /// The tokenizer.json that the set was made with; empty if the identity is enough. Its hash was
  /// checked. Together with info().tokenizer it gives the tokenizer again.
  const std::string& tokenizer_definition() const;
  std::uint64_t n_tokens() const { return info_.n_tokens; }
  std::uint64_t n_documents() const { return info_.n_documents; }
  /// n_documents + 1 offsets; see the layout above. For several shards they are joined in memory at
  /// the first call, 8 bytes per document.
  std::span<const std::uint64_t> document_offsets() const;
  /// Adds the starts of the documents that start at tokens in [first, end) to `starts`. Takes time
  /// O(log n_documents) plus the number of starts.
  void document_starts(std::uint64_t first, std::uint64_t end,
                       std::vector<std::uint64_t>& starts) const;
  /// Copies tokens [first, first + out.size()). Throws BadData for a damaged id >= vocab_size, so
  /// that no id from a file reaches an embedding unchecked.
  void copy(std::uint64_t first, std::span<std::int32_t> out) const;
  /// Asks the system to read tokens ahead, at most up to the end of the shard that `first` is in.
  void prefetch(std::uint64_t first, std::uint64_t count) const;
  /// The stored tokens from `first` on: `count` of them, or up to the end of the shard.
  std::span<const std::byte> stored(std::uint64_t first, std::uint64_t count) const;

  /// Hashes every block, in parallel, and checks that ids are inside the vocabulary and that
  /// documents end with the end-of-document token. Throws BadData naming the first bad block or
  /// document. `progress` gets the tokens done, on the calling thread.
  void verify(const std::function<void(std::uint64_t tokens)>& progress = {}) const;

 private:
  struct AllOffsets;
  std::size_t shard_of(std::uint64_t token) const;

  TokenSetInfo info_;
  std::vector<TokenShard> shards_;
  std::vector<std::uint64_t> starts_;  // the first token of each shard, then n_tokens
  std::unique_ptr<AllOffsets> offsets_;
};

}  // namespace krait
