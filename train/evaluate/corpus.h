// Text as perplexity sees it: documents in one sequence of tokens.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/token_set/token_set.h"
#include "data/tokenizer/tokenizer.h"
#include "train/evaluate/text_statistics.h"

namespace krait {

/// The sequence x = E d0 E d1 E ... E of documents d and end-of-document tokens E: each document
/// starts after one, which is what predicts its first token, and ends with one.
struct Corpus {
  /// Where the E are, n_documents + 1 of them, the first at 0: document i is
  /// x[offset[i] + 1, offset[i + 1]).
  std::span<const std::uint64_t> ends;
  /// Copies x[first, first + out.size()).
  std::function<void(std::uint64_t first, std::span<std::int32_t> out)> copy;
};

/// Reads through `set`, which must outlive the corpus.
Corpus corpus_of(const TokenSet& set);
/// Holds the tokens of the documents, without end-of-document tokens.
Corpus corpus_of_documents(std::vector<std::vector<std::int32_t>> documents,
                           std::int32_t end_of_document);

/// Words and bytes of the documents' text. Throws BadData when a document does not end as it must.
TextStatistics text_statistics(const TokenSet& set, const Tokenizer& tokenizer);
/// Words and bytes of what the tokens x[first, last) say, without end-of-document tokens.
TextStatistics text_statistics(const Corpus& corpus, std::uint64_t first, std::uint64_t last,
                               const Tokenizer& tokenizer);

}  // namespace krait
