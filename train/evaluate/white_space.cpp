#include "train/evaluate/white_space.h"

#include <algorithm>

namespace krait {

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

std::string_view strip_start(std::string_view text) {
  while (const std::size_t n = white_space_at(text, 0)) text.remove_prefix(n);
  return text;
}

std::string_view strip_end(std::string_view text) {
  const auto last = [&]() -> std::size_t {  // bytes of white space at the end; no two fit at once
    for (std::size_t n = 1; n <= std::min<std::size_t>(3, text.size()); ++n) {
      if (white_space_at(text, text.size() - n) == n) return n;
    }
    return 0;
  };
  while (const std::size_t n = last()) text.remove_suffix(n);
  return text;
}

std::string_view strip(std::string_view text) {
  return strip_end(strip_start(text));
}

}  // namespace krait
