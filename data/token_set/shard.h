// One file of a token set, open.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "core/system/file.h"
#include "data/hdf5/mapped_array.h"
#include "data/token_set/info.h"

namespace krait {

/// The functions are those of TokenSet, for one file.
class TokenShard {
 public:
  explicit TokenShard(const std::filesystem::path& path);

  const TokenSetInfo& info() const { return info_; }
  const std::string& tokenizer_definition() const { return tokenizer_definition_; }
  std::uint64_t n_tokens() const { return info_.n_tokens; }
  std::uint64_t n_documents() const { return info_.n_documents; }
  std::span<const std::uint64_t> document_offsets() const { return offsets_; }
  void copy(std::uint64_t first, std::span<std::int32_t> out) const;
  std::span<const std::byte> stored(std::uint64_t first, std::uint64_t count) const;
  void prefetch(std::uint64_t first, std::uint64_t count) const;
  void verify(const std::function<void(std::uint64_t tokens)>& progress) const;

 private:
  std::int32_t token(std::uint64_t index) const;

  TokenSetInfo info_;
  std::string tokenizer_definition_;
  MappedFile map_;
  std::span<const std::byte> tokens_;
  std::span<const std::uint64_t> offsets_;
  BlockHashes block_hashes_;
};

}  // namespace krait
