// The training sequences of a token set.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "data/loader/dataset.h"
#include "data/token_set/token_set.h"

namespace krait {

/// The treatment of boundaries between documents that are packed into one window. Every target
/// counts in both cases.
///
/// Reset counts the end-of-document token as the start of the next document: the state begins
/// there, and the document's first token is predicted from that token alone. A model is used in the
/// same way: a text is scored, and an empty prompt continued, after an end-of-document token (see
/// train/evaluate/corpus.h), so there the model has to learn how documents begin. If the ids
/// changed after that token, the first tokens of documents would have to be ignored and never be
/// trained.
enum class DocumentBoundary : std::uint8_t {
  Continue,  // documents are one stream
  Reset,     // sequence ids, counted from 0 in each window, change at each end-of-document token
};

/// The windows of a token set, over all its shards as one stream: window i has the inputs [i L,
/// (i+1) L) and the targets one token later. Up to L tokens at the end of the set belong to no
/// window.
class TokenWindows final : public Dataset {
 public:
  /// `length` L >= 1 in tokens. Throws BadConfig when the set has no more than L tokens.
  TokenWindows(std::shared_ptr<const TokenSet> set, std::int64_t length, DocumentBoundary boundary);
  std::uint64_t size() const override { return (set_->n_tokens() - 1) / length_; }
  Sample get(std::uint64_t index) const override;
  void get_into(std::uint64_t index, const SampleRow& row) const override;
  void prefetch(std::uint64_t index) const override {
    set_->prefetch(index * length_, length_ + 1);
  }

 private:
  void write_sequence_ids(std::uint64_t first, std::span<std::int32_t> ids) const;

  std::shared_ptr<const TokenSet> set_;
  std::uint64_t length_;
  DocumentBoundary boundary_;
};

}  // namespace krait
