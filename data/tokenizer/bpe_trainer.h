// Finds the merges of a byte-level BPE in counted words.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "data/tokenizer/word_counts.h"

namespace krait {

struct BpeTraining {
  std::int64_t vocab_size = 0;      // special tokens and the 256 bytes included
  std::uint64_t min_frequency = 2;  // of a pair that is merged
  std::vector<std::string> special_tokens;
  /// Called from time to time with the size of the vocabulary so far.
  std::function<void(std::int64_t size)> progress;
};

/// Tokens as a tokenizer.json writes them (data/tokenizer/byte_alphabet.h), by id: special tokens,
/// bytes in the order of their characters, then what merges make.
struct TrainedBpe {
  std::vector<std::string> tokens;
  std::vector<std::pair<std::int32_t, std::int32_t>> merges;
};

/// Repeatedly merges the most frequent pair in the words, of equally frequent pairs the one with
/// the lowest ids (left, then right), until the vocabulary is full or no pair is frequent enough
/// (Sennrich et al. 2016). The merges are those of the `tokenizers` library's BpeTrainer with the
/// 256 bytes as initial alphabet, also where two merges make the same token: then a pair keeps the
/// count that it had before it was merged, and a merge that is found twice has the count of its
/// second time.
///
/// Takes about 30 bytes of memory per byte of the words. Throws Usage when the vocabulary is too
/// small for the bytes and special tokens.
TrainedBpe train_bpe(const std::vector<WordCount>& words, const BpeTraining& training);

}  // namespace krait
