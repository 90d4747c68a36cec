// What perplexities are divided by: the words and bytes of a text.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace krait {

/// Sums over documents.
struct TextStatistics {
  std::uint64_t words = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, 256> histogram{};  // of byte values

  /// Adds a document.
  void add(std::string_view document);
  /// Entropy of the text's own byte frequencies: bits per byte of the best model that knows no
  /// context. 0 for an empty text.
  double unigram_bits_per_byte() const;
};

/// Words as lm-evaluation-harness counts them: len(re.split(r"\s+", text)), so the number of runs
/// of white space (train/evaluate/white_space.h), plus 1: white space at an end adds an empty word.
std::uint64_t count_words(std::string_view text);

}  // namespace krait
