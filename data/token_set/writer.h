// Writes token sets.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "data/tokenizer/tokenizer.h"

namespace krait {

/// Writes a token set in constant memory (about 5 MiB). Tokens first go to nameless files beside
/// the target, so while it is written a set takes twice its size on the disk. Until commit() the
/// target is untouched; afterwards it is the complete new set.
class TokenSetWriter {
 public:
  TokenSetWriter(const std::filesystem::path& target, const Tokenizer& tokenizer);
  ~TokenSetWriter();
  TokenSetWriter(TokenSetWriter&&) noexcept;
  TokenSetWriter& operator=(TokenSetWriter&&) noexcept;

  /// Adds tokens to the current document. Throws (Contract) for an id outside the vocabulary.
  void append(std::span<const std::int32_t> ids);
  /// Adds the end-of-document token and starts the next document.
  void end_document();
  /// Removes the tokens of the current document.
  void drop_document();
  std::uint64_t n_tokens() const;
  std::uint64_t n_documents() const;

  /// Writes everything to the disk next to the target: afterwards nothing can fail for lack of
  /// space. Throws BadData when there is no document, Contract inside an unfinished one.
  void prepare(const std::string& provenance);
  /// The content_sha256 of the prepared set.
  const std::string& content_sha256() const;
  /// Puts the prepared set in the target's place.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krait
