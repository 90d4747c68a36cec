// From texts to ids: bytes or characters.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

class TextAlphabet {
 public:
  /// A byte is its own id.
  static TextAlphabet of_bytes();
  /// These characters (code points), in rising order, have the ids from 1 on; all others 0.
  static TextAlphabet of_characters(const std::vector<char32_t>& characters);

  std::int64_t n_symbols() const;
  /// "<unknown>" and the characters; none for bytes.
  std::vector<std::string> symbols() const;
  /// The ids of the first `most` units of a text, 0: of all. What is no UTF-8 counts as U+FFFD when
  /// units are characters.
  std::vector<std::int32_t> encode(std::string_view text, std::size_t most) const;

 private:
  std::map<char32_t, std::int32_t> ids_;  // of characters; empty for bytes
};

/// Counts the characters of texts.
class CharacterCounts {
 public:
  void add(std::string_view text);
  /// Those that were seen at least `least` times, in rising order.
  std::vector<char32_t> frequent(std::uint64_t least) const;

 private:
  std::map<char32_t, std::uint64_t> counts_;
};

}  // namespace krait
