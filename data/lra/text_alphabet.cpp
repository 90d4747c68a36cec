#include "data/lra/text_alphabet.h"

#include <algorithm>

#include "data/unicode/utf8.h"

namespace krait {
namespace {

/// Calls f(code point) until it returns false.
template <class F>
void for_each_character(std::string_view text, F&& f) {
  std::string buffer;
  text = repaired_utf8(text, buffer);
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Character character = decode_utf8(text.data() + at);
    if (!f(character.code)) return;
    at += character.bytes;
  }
}

}  // namespace

TextAlphabet TextAlphabet::of_bytes() {
  return {};
}

TextAlphabet TextAlphabet::of_characters(const std::vector<char32_t>& characters) {
  TextAlphabet alphabet;
  for (const char32_t c : characters) {
    alphabet.ids_.emplace(c, static_cast<std::int32_t>(alphabet.ids_.size()) + 1);
  }
  return alphabet;
}

std::int64_t TextAlphabet::n_symbols() const {
  return ids_.empty() ? 256 : static_cast<std::int64_t>(ids_.size()) + 1;
}

std::vector<std::string> TextAlphabet::symbols() const {
  if (ids_.empty()) return {};
  std::vector<std::string> symbols(ids_.size() + 1, "<unknown>");
  for (const auto& [character, id] : ids_) {
    std::string& symbol = symbols[static_cast<std::size_t>(id)];
    symbol.clear();
    append_utf8(character, symbol);
  }
  return symbols;
}

std::vector<std::int32_t> TextAlphabet::encode(std::string_view text, std::size_t most) const {
  if (ids_.empty()) {
    text = text.substr(0, most > 0 ? most : text.size());
    std::vector<std::int32_t> ids(text.size());
    std::ranges::transform(text, ids.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
    return ids;
  }
  std::vector<std::int32_t> ids;
  for_each_character(text, [&](char32_t c) {
    const auto found = ids_.find(c);
    ids.push_back(found == ids_.end() ? 0 : found->second);
    return ids.size() != most;
  });
  return ids;
}

void CharacterCounts::add(std::string_view text) {
  for_each_character(text, [&](char32_t c) {
    ++counts_[c];
    return true;
  });
}

std::vector<char32_t> CharacterCounts::frequent(std::uint64_t least) const {
  std::vector<char32_t> characters;
  for (const auto& [character, count] : counts_) {
    if (count >= least) characters.push_back(character);
  }
  return characters;
}

}  // namespace krait
