#include "train/text_statistics.h"

#include <cmath>
#include <cstddef>

namespace krait {
namespace {

/// Bytes of the white space character (str.isspace) that `text` starts with at `at`; 0 for others.
std::size_t white_space_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const unsigned first = byte(0);
  if ((first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x20)) return 1;
  if (first == 0xc2) return byte(1) == 0x85 || byte(1) == 0xa0 ? 2 : 0;  // U+0085, U+00A0
  const unsigned rest = byte(1) << 8 | byte(2);
  if (first == 0xe1) return rest == 0x9a80 ? 3 : 0;  // U+1680
  if (first == 0xe2) {
    const bool spaces = rest >= 0x8080 && rest <= 0x808a;                    // U+2000 to U+200A
    const bool others = rest == 0x80a8 || rest == 0x80a9 || rest == 0x80af;  // U+2028, 2029, 202F
    return spaces || others || rest == 0x819f ? 3 : 0;                       // U+205F
  }
  return first == 0xe3 && rest == 0x8080 ? 3 : 0;  // U+3000
}

}  // namespace

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
