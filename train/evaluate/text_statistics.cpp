#include "train/evaluate/text_statistics.h"

#include <cmath>
#include <cstddef>

#include "train/evaluate/white_space.h"

namespace krait {

std::uint64_t count_words(std::string_view text) {
  std::uint64_t words = 1;
  bool in_space = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = white_space_at(text, at);
    if (space > 0 && !in_space) ++words;
    in_space = space > 0;
    at += space > 0 ? space : 1;
  }
  return words;
}

void TextStatistics::add(std::string_view document) {
  words += count_words(document);
  bytes += document.size();
  for (const char c : document) ++histogram[static_cast<unsigned char>(c)];
}

double TextStatistics::unigram_bits_per_byte() const {
  double bits = 0;
  for (const std::uint64_t count : histogram) {
    if (count == 0) continue;
    const double p = static_cast<double>(count) / static_cast<double>(bytes);
    bits -= p * std::log2(p);
  }
  return bits;
}

}  // namespace krait
